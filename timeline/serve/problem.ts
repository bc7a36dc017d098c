/**
 * What can be wrong with a request, as one JSON error that says what was expected and what to try.
 */
import { JournalError } from '../../replay/errors.ts';

export interface ProblemOptions {
  readonly status: number;
  /** A name for programs: words joined by `_`, never changed. */
  readonly code: string;
  /** A sentence with the observed value. */
  readonly message: string;
  readonly expected: string;
  readonly try: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by whatever handles a request; the app answers with it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly options: ProblemOptions;
  constructor(options: ProblemOptions) {
    super(options.message);
    this.options = options;
  }
}

/** The body of every error. */
export interface ProblemBody {
  readonly error: { readonly code: string; readonly message: string; readonly expected: string; readonly try: string };
}

const bodyOf = ({ code, message, expected, try: attempt }: ProblemOptions): ProblemBody => ({
  error: { code, message, expected, try: attempt },
});

export const problemText = (options: ProblemOptions): string => `${JSON.stringify(bodyOf(options))}\n`;

/** Any error as a problem. What is not foreseen tells the client nothing about the inside. */
export function problemOf(error: unknown): ProblemOptions {
  if (error instanceof Problem) return error.options;
  if (error instanceof JournalError) {
    return {
      status: 500,
      code: 'journal_damaged',
      message: error.message,
      expected: 'a journal whose frames carry the right checksums',
      try: 'worldswitch verify FILE, on the machine that serves it',
    };
  }
  return {
    status: 500,
    code: 'internal',
    message: 'the server failed while it answered',
    expected: 'an answer',
    try: 'the same request again; if it fails again, report it with the output of the server',
  };
}

export function problemResponse(options: ProblemOptions): Response {
  const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...options.headers };
  return new Response(problemText(options), { status: options.status, headers });
}
