import type { Message } from "../src/call/messages";
import { reduce, type Event } from "../src/call/reduce";
import { NO_CALL, type CallState, type Mode } from "../src/call/state";

/** A call that things happen to, a second apart unless a time is given. */
export class Scene {
  state: CallState = NO_CALL;
  private now = 0;

  happens(event: Event): this {
    this.state = reduce(this.state, event);
    return this;
  }

  start(mode: Mode = "voice"): this {
    return this.happens({ type: "start", assistant: "acme", mode, at: this.now });
  }

  hears(type: string, data?: unknown, after_ms = 1_000): this {
    this.now += after_ms;
    const message: Message = { type, data };
    return this.happens({ type: "message", message, at: this.now });
  }

  news(data: Readonly<Record<string, unknown>>): this {
    return this.hears("server-message", data);
  }

  line(state: string, more: Readonly<Record<string, unknown>> = {}): this {
    return this.news({ trunkline: "line", state, ...more });
  }

  /** A call whose line is up. */
  up(): this {
    return this.start().line("connecting").line("up");
  }

  /** A sentence, spoken as far as is said. */
  output(id: number, text: string, remaining = ""): this {
    return this.hears("bot-output", {
      text,
      segment_id: id,
      will_be_spoken: true,
      spoken_progress: { accumulated_text: "", remaining_text: remaining },
    });
  }

  type(text: string): this {
    return this.happens({ type: "typed", text, at: this.now });
  }
}
