import { fieldsOf, textOf } from "../call/messages";

export interface Assistant {
  readonly name: string;
  readonly description: string;
  readonly phrases: readonly string[];
  readonly default: boolean;
}

export interface Services {
  readonly embedded: readonly string[];
  readonly calls: boolean;
  readonly voice: boolean;
  readonly ice_servers: readonly RTCIceServer[];
}

/** The server said no, in words that may be shown. */
export class RefusedError extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail || `the server answers with ${status}`);
  }

  /** Whether a token, or another one, would help. */
  get wantsToken(): boolean {
    return this.status === 401;
  }
}

const KEPT = "trunkline.token";

/** The server that the page came from. */
export class Server {
  private token = sessionStorage.getItem(KEPT) ?? "";

  /** Use a token from now on, until the tab is closed. */
  useToken(token: string): void {
    this.token = token;
    sessionStorage.setItem(KEPT, token);
  }

  forgetToken(): void {
    this.token = "";
    sessionStorage.removeItem(KEPT);
  }

  get hasToken(): boolean {
    return this.token !== "";
  }

  /** What every request has; what kind of body it has is for whoever adds one. */
  headers(): Headers {
    const headers = new Headers();
    if (this.token) {
      headers.set("Authorization", `Bearer ${this.token}`);
    }
    return headers;
  }

  async assistants(): Promise<readonly Assistant[]> {
    return (await this.ask("/v1/assistants")) as readonly Assistant[];
  }

  async services(): Promise<Services> {
    return (await this.ask("/v1/services")) as Services;
  }

  /** Ask for the address of a socket, which can be used once. */
  async socket(assistant: string): Promise<string> {
    const invitation = await this.ask("/v1/calls/tickets", { assistant });
    return textOf(fieldsOf(invitation)["url"]);
  }

  private async ask(path: string, body?: unknown): Promise<unknown> {
    const headers = this.headers();
    if (body !== undefined) {
      headers.set("Content-Type", "application/json");
    }
    const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(path, { ...options, headers });
    if (!answer.ok) {
      throw await refusalOf(answer);
    }
    return answer.json();
  }
}

/** Read the problem document of an answer. */
export async function refusalOf(answer: Response): Promise<RefusedError> {
  const problem: unknown = await answer.json().catch(() => null);
  return new RefusedError(answer.status, textOf(fieldsOf(problem)["detail"]));
}
