import {
  logger,
  LogLevel,
  PipecatClient,
  type RTVIMessage,
  type Transport,
} from "@pipecat-ai/client-js";

import type { Message } from "../call/messages";

// The libraries log addresses, which have tickets in them, and what is said.
logger.setLevel(LogLevel.NONE);

/** Pipecat's client, which also hands on every message as it came. */
export class Client extends PipecatClient {
  onMessage: ((message: Message) => void) | undefined;

  protected override handleMessage(message: RTVIMessage): void {
    super.handleMessage(message);
    this.onMessage?.(message);
  }
}

export interface Handlers {
  onMessage: (message: Message) => void;
  onTrack: (track: MediaStreamTrack) => void;
  onLost: () => void;
}

/** Build a client around a transport. */
export function clientOf(transport: Transport, microphone: boolean, handlers: Handlers): Client {
  const client = new Client({
    transport,
    enableMic: microphone,
    enableCam: false,
    callbacks: {
      onTrackStarted: (track, participant) => {
        if (participant?.local !== true && track.kind === "audio") {
          handlers.onTrack(track);
        }
      },
      onDisconnected: () => {
        handlers.onLost();
      },
      // What is fatal is followed by a disconnection.
      onError: () => undefined,
    },
  });
  client.onMessage = handlers.onMessage;
  return client;
}
