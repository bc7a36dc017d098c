/** `completion`: commands, options and names for a shell, made from the tables of the commands. */
import { shippedNames } from '../api/shipped-scenarios.ts';
import { type Call, type Command, type CommandEntry, JSON_OPTION, MODELS_OPTION, type OptionSpec } from './command.ts';
import { EXIT, usageError } from './errors.ts';

interface Flag {
  /** `-o`, `--output`. */
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly description: string;
}

/** A command as a shell completes it. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Words besides files that may be operands. */
  readonly words: readonly string[];
}

function flagOf({ flags, choices = [], description }: OptionSpec): Flag {
  const [, value] = /\s([<[].*)$/.exec(flags) ?? [];
  const names = flags.replace(/\s[<[].*$/, '').split(', ');
  return { names, takesValue: value?.startsWith('<') === true, choices, description };
}

function wordsOf({ operands }: Command, name: string): readonly string[] {
  if (name === 'completion') return Object.keys(SHELLS);
  return [
    ...(operands.includes('scenario') || name === 'scenarios' ? shippedNames() : []),
    ...(operands.includes('journal') ? ['latest'] : []),
  ];
}

async function completed(commands: readonly CommandEntry[]): Promise<Completed[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const { COMMAND } = await load();
      const options = [...COMMAND.options, ...(COMMAND.isFixed ? [] : [MODELS_OPTION]), JSON_OPTION];
      const help: Flag = { names: ['--help'], takesValue: false, choices: [], description: 'options and examples' };
      return { name, summary, flags: [...options.map(flagOf), help], words: wordsOf(COMMAND, name) };
    }),
  );
}

const namesOf = ({ flags }: Completed): readonly string[] => flags.flatMap(({ names }) => names);
/** Options whose value has names of its own. */
const chosenOf = ({ flags }: Completed): readonly Flag[] => flags.filter(({ choices }) => choices.length > 0);
/** Options whose value is a file or free text: nothing is known of it but files. */
const freeOf = ({ flags }: Completed): readonly Flag[] => flags.filter(({ choices, takesValue }) => takesValue && choices.length === 0);

const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(commands: readonly Completed[]): string {
  const cases = commands.map((command) => {
    const values = chosenOf(command).map(
      ({ names, choices }) => `        ${names.join('|')}) words=${single(choices.join(' '))}; files= ;;`,
    );
    const free = freeOf(command).flatMap(({ names }) => names);
    return [
      `    ${command.name})`,
      `      words=${single(command.words.join(' '))}`,
      `      [[ $word == -* ]] && { words=${single(namesOf(command).join(' '))}; files=; }`,
      '      case $before in',
      ...values,
      ...(free.length > 0 ? [`        ${free.join('|')}) words= ;;`] : []),
      '      esac ;;',
    ].join('\n');
  });
  return `# worldswitch completion bash; source it, or put it where bash-completion looks
_worldswitch() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words= files=1 found
  # --name=value comes as three words.
  [[ $word == = ]] && word=
  [[ $before == = ]] && before=\${COMP_WORDS[COMP_CWORD-2]}
  case \${COMP_CWORD}:\${COMP_WORDS[1]} in
    1:*) words=${single(commands.map(({ name }) => name).join(' '))}; files= ;;
  esac
  [[ $COMP_CWORD -gt 1 ]] && case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  # A name is one word, whatever it holds.
  if [[ -n $files ]]; then while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "$word"); fi
  return 0
}
complete -o filenames -F _worldswitch worldswitch
`;
}

/** In zsh's lists a colon ends the word, and brackets the description. */
const zshText = (text: string): string => single(text.replace(/[[\]:\\]/g, (char) => `\\${char}`));

function zsh(commands: readonly Completed[]): string {
  const spec = ({ names, takesValue, choices, description }: Flag): string[] =>
    names.map((name) => {
      const about = description.replace(/[[\]:\\]/g, (char) => `\\${char}`);
      const value = choices.length > 0 ? `:value:(${choices.join(' ')})` : takesValue ? ':value:_files' : '';
      return `      ${single(`*${name}[${about}]${value}`)}`;
    });
  const cases = commands.map(
    (command) =>
      `    ${command.name}) _arguments ${[...command.flags.flatMap(spec), `      ${single(`*: :_worldswitch_operands ${command.words.join(' ')}`)}`].map((line) => `\\\n${line}`).join(' ')} ;;`,
  );
  return `#compdef worldswitch
# worldswitch completion zsh; as _worldswitch in a folder of $fpath, or sourced after compinit
_worldswitch_operands() { compadd -- "$@"; _files }
_worldswitch() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${zshText(name).slice(0, -1)}:${zshText(summary).slice(1)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command=$words[2]
  shift words; (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _worldswitch worldswitch
`;
}

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap((command) => {
    const here = `-n ${single(`__fish_seen_subcommand_from ${command.name}`)}`;
    const flag = ({ names, takesValue, choices, description }: Flag): string => {
      const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
      const value = choices.length > 0 ? ` -x -a ${single(choices.join(' '))}` : takesValue ? ' -r' : '';
      return `complete -c worldswitch ${here} ${words}${value} -d ${single(description)}`;
    };
    const words = command.words.length > 0 ? [`complete -c worldswitch ${here} -a ${single(command.words.join(' '))}`] : [];
    return [
      `complete -c worldswitch -f -n __fish_use_subcommand -a ${command.name} -d ${single(command.summary)}`,
      ...words,
      ...command.flags.map(flag),
    ];
  });
  return `# worldswitch completion fish; as ~/.config/fish/completions/worldswitch.fish\n${lines.join('\n')}\n`;
}

const SHELLS = { bash, zsh, fish };

async function run(commands: readonly CommandEntry[], { out, json, args }: Call): Promise<number> {
  const [shell] = args as [keyof typeof SHELLS];
  if (!Object.hasOwn(SHELLS, shell)) throw usageError(`${shell} is no shell that is known; expected ${Object.keys(SHELLS).join(', ')}`);
  const script = SHELLS[shell](await completed(commands));
  if (json) out.json({ shell, script });
  else out.lines(script);
  return EXIT.ok;
}

/** The command, which completes all commands of this list. */
export const completionOf = (commands: readonly CommandEntry[]): Command => ({
  operands: '<shell>',
  details: [
    'SHELL is bash, zsh or fish. Completes commands, options, their values where they are named, shipped scenarios, `latest` and files.',
  ],
  options: [],
  isFixed: true,
  examples: [
    ['completion bash > ~/.local/share/bash-completion/completions/worldswitch', 'for each new bash'],
    ['completion zsh > ~/.zfunc/_worldswitch', 'for each new zsh, where ~/.zfunc is in $fpath before compinit'],
    ['completion fish > ~/.config/fish/completions/worldswitch.fish', 'for each new fish'],
  ],
  run: (call) => run(commands, call),
});
