import { isLive, Phase } from "../call/phase";
import { reduce, type Event } from "../call/reduce";
import type { Mode } from "../call/state";
import { Link } from "../link/link";
import { RefusedError, Server } from "../link/server";
import { Media } from "../media/media";
import { EMPTY, NO_DEVICES, type Model } from "./model";
import { problemOf, troubleOf } from "./words";

/** Longer texts are refused by the server. */
export const MAX_TEXT_CHARS = 4_000;

const LOST = "the connection to the server was lost";
const HUNG_UP = "you hung up";

/** Does what a person asks of the page, and keeps what the page shows. */
export class Controller {
  model: Model = EMPTY;
  media: Media | null = null;
  private link: Link | null = null;

  constructor(
    private readonly server: Server,
    private readonly changed: (model: Model) => void,
  ) {}

  private set(change: Partial<Model>): void {
    this.model = { ...this.model, ...change };
    this.changed(this.model);
  }

  private happened(event: Event): void {
    const call = reduce(this.model.call, event);
    if (call !== this.model.call) {
      this.set({ call });
    }
  }

  /** Ask the server what there is to talk to. */
  async load(): Promise<void> {
    try {
      const [assistants, services] = await Promise.all([
        this.server.assistants(),
        this.server.services(),
      ]);
      const chosen = assistants.find((one) => one.default) ?? assistants[0];
      this.set({ door: "open", problem: null, assistants, services, chosen: chosen?.name ?? "" });
    } catch (error) {
      this.refused(error);
    }
  }

  private refused(error: unknown): void {
    const byDoor = error instanceof RefusedError && [401, 403].includes(error.status);
    const door = byDoor ? "token" : "unknown";
    const first = error instanceof RefusedError && error.wantsToken && !this.server.hasToken;
    if (byDoor) {
      this.server.forgetToken();
    }
    this.set({ door, problem: first ? null : problemOf(error) });
  }

  async useToken(token: string): Promise<void> {
    this.server.useToken(token);
    await this.load();
  }

  choose(name: string): void {
    this.set({ chosen: name, trouble: null });
  }

  /** Call the chosen assistant. Must be called in a gesture, as sound is. */
  async start(mode: Mode): Promise<void> {
    const { chosen, services } = this.model;
    if (services === null || isLive(this.model.call.phase)) {
      return;
    }
    this.set({ trouble: null, muted: false, devices: NO_DEVICES });
    this.happened({ type: "start", assistant: chosen, mode, at: performance.now() });
    try {
      const media = await Media.open(mode === "voice");
      this.media = media;
      const link = this.linkOver(media);
      this.link = link;
      await link.open({ assistant: chosen, mode }, services);
      await this.listDevices();
    } catch (error) {
      await this.failed(error);
    }
  }

  private linkOver(media: Media): Link {
    return new Link(this.server, media, {
      onMessage: (message) => {
        this.happened({ type: "message", message, at: performance.now() });
        if (message.type === "user-started-speaking" || message.type === "bot-interrupted") {
          media.hush();
        }
        if (this.model.call.phase === Phase.Ended) {
          void this.close(true);
        }
      },
      onTrack: (track) => {
        media.play(track);
      },
      onLost: () => {
        this.happened({ type: "over", reason: LOST });
        void this.close(false);
      },
    });
  }

  private async failed(error: unknown): Promise<void> {
    if (this.model.call.phase === Phase.Ended) {
      return; // hung up meanwhile, or told why by the server
    }
    await this.close(false);
    if (error instanceof RefusedError && error.wantsToken) {
      this.happened({ type: "over", reason: error.message });
      this.happened({ type: "leave" });
      this.refused(error);
      return;
    }
    this.happened({ type: "over", reason: LOST });
    this.happened({ type: "leave" });
    this.set({ trouble: troubleOf(error) });
  }

  private async close(gently: boolean): Promise<void> {
    const { link, media } = this;
    this.link = null;
    await (gently ? link?.leaveSoon() : link?.leave());
    if (link === null) {
      await media?.close();
    }
    if (this.media === media) {
      this.media = null;
    }
  }

  /** Say something in writing. */
  send(text: string): void {
    const words = text.trim().slice(0, MAX_TEXT_CHARS);
    if (words && this.link !== null) {
      this.happened({ type: "typed", text: words, at: performance.now() });
      void this.link.type(words);
    }
  }

  async hangUp(): Promise<void> {
    this.happened({ type: "over", reason: HUNG_UP });
    await this.close(false);
  }

  /** Go back to the assistants. */
  leave(): void {
    this.happened({ type: "leave" });
  }

  mute(muted: boolean): void {
    this.media?.microphone?.enable(!muted);
    this.set({ muted });
  }

  async listDevices(): Promise<void> {
    const { media } = this;
    if (media !== null && media.microphone !== null) {
      const [microphones, speakers] = await Promise.all([
        media.devices("audioinput"),
        media.devices("audiooutput"),
      ]);
      const microphone = media.microphone.device;
      const speaker = this.model.devices.speaker || (speakers[0]?.deviceId ?? "");
      this.set({ devices: { microphones, speakers, microphone, speaker } });
    }
  }

  async useMicrophone(id: string): Promise<void> {
    try {
      await this.media?.microphone?.use(id);
      this.set({ devices: { ...this.model.devices, microphone: id }, trouble: null });
    } catch (error) {
      this.set({ trouble: troubleOf(error) });
    }
  }

  async useSpeaker(id: string): Promise<void> {
    try {
      await this.media?.updateSpeaker(id);
      this.set({ devices: { ...this.model.devices, speaker: id }, trouble: null });
    } catch {
      this.set({ trouble: "That loudspeaker cannot be used; the one before it still is." });
    }
  }
}
