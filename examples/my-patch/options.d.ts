/** For the compiler: the locals of the paths that are patched, which SEV-SNP declares, and the option that the patch adds. */
import 'worldswitch/actors/sev-snp/snp-env';
import 'worldswitch/events/options';

declare module 'worldswitch/events/options' {
  interface MechanismOptions {
    readonly 'my.makeShared': 'none' | 'retry-once' | 'retry';
  }
}
