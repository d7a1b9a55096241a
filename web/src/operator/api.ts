/** What the page asks the server for: the administration, `/readyz` and `/metrics`, and nothing else. */

export type SessionState = "starting" | "ready" | "detached" | "draining";

export const STATES: readonly SessionState[] = ["starting", "ready", "detached", "draining"];

export interface Traffic {
  messages: number;
  size_bytes: number;
  drops: Record<string, number>;
}

export interface SessionInfo {
  id: string;
  state: SessionState;
  assistant: string;
  principal: string;
  active_tasks: string[];
  answering: boolean;
  age_s: number;
  idle_s: number;
  resumes: number;
  lost_with: number | null;
  ending_with: number | null;
  received: Traffic;
  sent: Traffic;
}

export interface SessionPage {
  sessions: SessionInfo[];
  next: string | null;
  total: number;
  waiting: number;
  draining: boolean;
  silent_processes: number;
}

export interface Ended {
  ended: number;
  silent_processes: number;
}

export interface Draining {
  sessions: number;
  timeout_s: number;
}

export interface Readiness {
  status: string;
  processes: Record<string, string>;
}

export interface Minute {
  minutes_ago: number;
  reasons: Record<string, number>;
}

export interface Endings {
  covers_s: number;
  minutes: Minute[];
  silent_processes: number;
}

export interface ServerInfo {
  version: string;
  administrator: string;
  max_waiting_callers: number;
  drain_timeout_s: number;
}

/** Why the server refused; `code` is a word of docs/operations.md. */
export interface Problem {
  status: number;
  code: string;
  detail: string;
  retryAfterS: number | null;
}

/** Which sessions to list. */
export interface Filters {
  state: SessionState | "";
  assistant: string;
  principal: string;
}

export const NO_FILTERS: Filters = { state: "", assistant: "", principal: "" };

export type Answer<T> =
  { kind: "ok"; value: T } | { kind: "refused"; problem: Problem } | { kind: "unreachable" };

/** A server that is slower than this is as good as gone; one of several processes may take 2 s. */
const TIMEOUT_MS = 10_000;

/** One server, asked with one token. */
export class Server {
  readonly #token: string;

  /** Remember the token; "" sends none. */
  constructor(token: string) {
    this.#token = token;
  }

  /** List sessions that match, behind a cursor. */
  sessions(filters: Filters, limit: number, cursor: string | null): Promise<Answer<SessionPage>> {
    const query = new URLSearchParams({ limit: String(limit) });
    for (const [name, value] of Object.entries(filters)) {
      if (value !== "") query.set(name, value as string);
    }
    if (cursor !== null) query.set("cursor", cursor);
    return this.#json("GET", `/v1/admin/sessions?${query.toString()}`);
  }

  /** Ask why sessions ended in the last hour. */
  endings(): Promise<Answer<Endings>> {
    return this.#json("GET", "/v1/admin/endings");
  }

  /** Ask what an administrator has to know. */
  info(): Promise<Answer<ServerInfo>> {
    return this.#json("GET", "/v1/admin/server");
  }

  /** End one session. */
  end(id: string): Promise<Answer<Ended>> {
    return this.#json("DELETE", `/v1/admin/sessions/${encodeURIComponent(id)}`);
  }

  /** End every session of a principal. */
  endAllOf(principal: string): Promise<Answer<Ended>> {
    const query = new URLSearchParams({ principal });
    return this.#json("DELETE", `/v1/admin/sessions?${query.toString()}`);
  }

  /** Have the server end its sessions and stop. */
  drain(): Promise<Answer<Draining>> {
    return this.#json("POST", "/v1/drain");
  }

  /** Ask how the processes are; a server that takes nobody answers that with 503. */
  async readiness(): Promise<Answer<Readiness>> {
    return answered(await this.#fetch("GET", "/readyz"), async (response) => {
      const said: unknown = await response.json();
      return isReadiness(said) ? said : null;
    });
  }

  /** Read the metrics, as Prometheus's text. */
  async metrics(): Promise<Answer<string>> {
    return answered(await this.#fetch("GET", "/metrics"), async (response) =>
      response.ok ? await response.text() : null,
    );
  }

  async #json<T>(method: string, path: string): Promise<Answer<T>> {
    return answered(await this.#fetch(method, path), async (response) =>
      response.ok ? ((await response.json()) as T) : null,
    );
  }

  async #fetch(method: string, path: string): Promise<Response | null> {
    const headers: Record<string, string> = { accept: "application/json, text/plain" };
    if (this.#token !== "") headers["authorization"] = `Bearer ${this.#token}`;
    try {
      return await fetch(path, {
        method,
        headers,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      return null; // the network's reasons are not told to pages
    }
  }
}

/** Read an answer; what `read` finds nothing in is a problem. */
async function answered<T>(
  response: Response | null,
  read: (response: Response) => Promise<T | null>,
): Promise<Answer<T>> {
  if (response === null) return { kind: "unreachable" };
  const copy = response.clone();
  try {
    const value = await read(response);
    if (value !== null) return { kind: "ok", value };
    return { kind: "refused", problem: await problemOf(copy) };
  } catch {
    return { kind: "refused", problem: await problemOf(copy) };
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const retry = Number(response.headers.get("retry-after") ?? NaN);
  const problem: Problem = {
    status: response.status,
    code: "unreadable",
    detail: "the answer is not one of this server: is there a proxy in between?",
    retryAfterS: Number.isFinite(retry) ? retry : null,
  };
  try {
    const said = (await response.json()) as Partial<Record<"code" | "detail", unknown>>;
    if (typeof said.code === "string") problem.code = said.code;
    if (typeof said.detail === "string") problem.detail = said.detail;
  } catch {
    // What is not JSON keeps the sentence above.
  }
  return problem;
}

function isReadiness(said: unknown): said is Readiness {
  return typeof said === "object" && said !== null && "status" in said && "processes" in said;
}
