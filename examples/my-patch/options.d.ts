/** For the compiler: the option that the patch adds. */
import 'worldswitch/extend';

declare module 'worldswitch/extend' {
  interface MechanismOptions {
    readonly 'my.makeShared': 'none' | 'retry-once' | 'retry';
  }
}
