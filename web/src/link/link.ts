import type { Transport } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";
import { WebSocketTransport } from "@pipecat-ai/websocket-transport";

import type { Mode } from "../call/state";
import type { Media } from "../media/media";
import { clientOf, type Client, type Handlers } from "./client";
import { refusalOf, type RefusedError, type Server, type Services } from "./server";

/** WebRTC finds a way within a second or two, or hardly ever. */
const WEBRTC_TIMEOUT_MS = 8_000;
/** From then on: the first call of a server loads its recogniser and its voice. */
const READY_TIMEOUT_MS = 75_000;

/** Refusals after which a socket may still do: an offer that is not understood, and no WebRTC. */
const ONLY_WEBRTC = [422, 501];

/** What is said last is still on its way through the loudspeaker's buffer. */
const LAST_WORDS_MS = 700;

/** A socket's last messages are read a moment after it has closed: among them, why. */
const UNREAD_MS = 250;

export interface Wanted {
  readonly assistant: string;
  readonly mode: Mode;
}

/** The connection of one call: WebRTC where that works, a socket where not, and to type. */
export class Link {
  private client: Client | null = null;
  /** What messages may come from; another transport may have been tried before it. */
  private current: Transport | null = null;
  private isOpen = false;
  private left = false;

  constructor(
    private readonly server: Server,
    private readonly media: Media,
    private readonly handlers: Handlers,
  ) {}

  /** Connect; throws what the server refused with, or that there is no way to it. */
  async open(wanted: Wanted, services: Services): Promise<void> {
    if (wanted.mode === "voice" && services.voice) {
      try {
        await this.overWebRtc(wanted.assistant, services);
        return;
      } catch (error) {
        const refused = await refusalIn(error);
        if (this.left || (refused !== null && !ONLY_WEBRTC.includes(refused.status))) {
          throw refused ?? error;
        }
        await this.drop();
      }
    }
    await this.overSocket(wanted);
  }

  private opened(): void {
    if (this.left) {
      throw new Error("hung up meanwhile");
    }
    this.isOpen = true;
  }

  private async overWebRtc(assistant: string, services: Services): Promise<void> {
    // The transport asks for a class of its own, of which it exports no more than the type.
    const transport = new SmallWebRTCTransport({
      mediaManager: this.media as never,
      iceServers: [...services.ice_servers],
    });
    const client = this.use(clientOf(transport, true, this.handlersOf(transport)));
    const connecting = client.connect({
      webrtcRequestParams: {
        endpoint: `/v1/calls?assistant=${encodeURIComponent(assistant)}`,
        headers: this.server.headers(),
        requestData: { assistant },
      },
    });
    await within(connecting, WEBRTC_TIMEOUT_MS, () => client.connected);
    this.opened();
  }

  private async overSocket({ assistant, mode }: Wanted): Promise<void> {
    const wsUrl = await this.server.socket(assistant);
    const transport = new WebSocketTransport({ mediaManager: this.media as never, wsUrl });
    await this.media.openPieces();
    const handlers = this.handlersOf(transport);
    const client = this.use(clientOf(transport, mode === "voice", handlers));
    await within(client.connect(), READY_TIMEOUT_MS);
    this.opened();
  }

  private use(client: Client): Client {
    this.client = client;
    return client;
  }

  /** Handlers that hear nothing more once another transport has taken over. */
  private handlersOf(transport: Transport): Handlers {
    const current = () => !this.left && transport === this.current;
    this.current = transport;
    return {
      onMessage: (message) => {
        if (current()) {
          this.handlers.onMessage(message);
        }
      },
      onTrack: (track) => {
        if (current()) {
          this.handlers.onTrack(track);
        }
      },
      onLost: () => {
        if (current() && this.isOpen) {
          setTimeout(() => {
            if (current()) {
              this.handlers.onLost();
            }
          }, UNREAD_MS);
        }
      },
    };
  }

  /** Say something in writing. */
  async type(text: string): Promise<void> {
    this.media.hush();
    await this.client?.sendText(text, { run_immediately: true, audio_response: true });
  }

  /** Hang up. */
  async leave(): Promise<void> {
    this.left = true;
    await this.drop();
    await this.media.close();
  }

  /** Hang up once the last words were heard. */
  async leaveSoon(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
    await this.leave();
  }

  private async drop(): Promise<void> {
    const { client } = this;
    this.client = this.current = null;
    await client?.disconnect().catch(() => undefined);
  }
}

/** Wait for a time, and once more if somebody says that it is worth it. */
async function within<T>(
  work: Promise<T>,
  limit_ms: number,
  goesOn: () => boolean = () => false,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => {
      reject(new Error("the server does not answer"));
    };
    timer = setTimeout(() => {
      if (goesOn()) {
        timer = setTimeout(giveUp, READY_TIMEOUT_MS);
      } else {
        giveUp();
      }
    }, limit_ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Find what the server refused an offer with; null if it is not that. */
async function refusalIn(error: unknown): Promise<RefusedError | null> {
  const cause = error instanceof Error ? error.cause : error;
  return cause instanceof Response ? refusalOf(cause) : null;
}
