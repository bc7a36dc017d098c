/** The option that the patch adds, for the compiler. */
import 'worldswitch/events/options';

declare module 'worldswitch/events/options' {
  interface MechanismOptions {
    readonly 'my.makeShared': 'none' | 'retry-once' | 'retry';
  }
}
