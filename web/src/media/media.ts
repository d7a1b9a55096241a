import type { Tracks } from "@pipecat-ai/client-js";

import { Level } from "./level";
import { Microphone } from "./microphone";
import playbackUrl from "./playback.worklet.ts?worker&url";

/** What the voices have; see `AUDIO_OUT_HZ` on the server. */
const VOICE_HZ = 24_000;

/**
 * The microphone and the loudspeaker of one call.
 *
 * It has what Pipecat's transports ask of a media manager. Theirs ask for the microphone even where
 * nobody wants to speak, and load their worklets from `blob:` addresses, which our policy refuses.
 */
export class Media {
  readonly spoken: Level;
  readonly supportsScreenShare = false;
  readonly isCamEnabled = false;
  readonly isSharingScreen = false;
  readonly selectedCam = {};
  readonly selectedMic = {};
  readonly selectedSpeaker = {};
  private readonly context = new AudioContext({ sampleRate: VOICE_HZ });
  private readonly element = new Audio();
  private player: AudioWorkletNode | null = null;
  private listener: ((data: ArrayBuffer) => void) | null = null;

  private constructor(readonly microphone: Microphone | null) {
    this.spoken = new Level(this.context);
    void this.context.resume();
  }

  /**
   * Open the loudspeaker, and the microphone if it is wanted. Needs a gesture: browsers are silent
   * before one.
   *
   * Throws the browser's `DOMException` where there is no microphone, or none is allowed.
   */
  static async open(microphone: boolean): Promise<Media> {
    const media = new Media(microphone ? new Microphone() : null);
    try {
      await media.microphone?.use("");
    } catch (error) {
      await media.close();
      throw error;
    }
    return media;
  }

  /** Play and record in pieces, for a connection that has no tracks. */
  async openPieces(): Promise<void> {
    await this.context.audioWorklet.addModule(playbackUrl);
    this.player = new AudioWorkletNode(this.context, "playback", { numberOfInputs: 0 });
    this.player.connect(this.spoken.input);
    this.player.connect(this.context.destination);
    if (this.listener !== null) {
      await this.microphone?.record(this.listener);
    }
  }

  /** Play a track. */
  play(track: MediaStreamTrack): void {
    const stream = new MediaStream([track]);
    this.element.srcObject = stream;
    void this.element.play().catch(() => undefined);
    this.context.createMediaStreamSource(stream).connect(this.spoken.input);
  }

  /** Stop what is being said. */
  hush(): void {
    this.player?.port.postMessage(null);
  }

  async devices(kind: MediaDeviceKind): Promise<MediaDeviceInfo[]> {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter((device) => device.kind === kind && device.deviceId !== "");
  }

  async updateSpeaker(deviceId: string): Promise<void> {
    await this.element.setSinkId(deviceId);
    const context = this.context as AudioContext & { setSinkId?: (id: string) => Promise<void> };
    await context.setSinkId?.(deviceId);
  }

  async close(): Promise<void> {
    this.element.srcObject = null;
    await Promise.all([this.microphone?.close(), this.context.close()]);
  }

  // What else the transports call.

  setUserAudioCallback(listener: (data: ArrayBuffer) => void): void {
    this.listener = listener;
  }

  setClientOptions(): void {
    // Nobody is told of tracks but by the transport.
  }

  initialize(): Promise<void> {
    return Promise.resolve(); // It is open before there is a transport,
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): Promise<void> {
    return Promise.resolve(); // and may be used by another one.
  }

  userStartedSpeaking(): Promise<void> {
    this.hush();
    return Promise.resolve();
  }

  bufferBotAudio(data: ArrayBuffer | Int16Array): Int16Array {
    const samples = data instanceof Int16Array ? data : new Int16Array(data);
    const played = Float32Array.from(samples, (sample) => sample / 32_768);
    this.player?.port.postMessage(played, [played.buffer]);
    return samples;
  }

  getAllMics(): Promise<MediaDeviceInfo[]> {
    return this.devices("audioinput");
  }

  getAllSpeakers(): Promise<MediaDeviceInfo[]> {
    return this.devices("audiooutput");
  }

  getAllCams(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([]);
  }

  async updateMic(deviceId: string): Promise<void> {
    await this.microphone?.use(deviceId);
  }

  enableMic(enabled: boolean): void {
    this.microphone?.enable(enabled);
  }

  get isMicEnabled(): boolean {
    return this.microphone?.isEnabled ?? false;
  }

  tracks(): Tracks {
    const track = this.microphone?.track;
    return { local: track === undefined ? {} : { audio: track } };
  }
}
