import captureUrl from "./capture.worklet.ts?worker&url";
import { Level } from "./level";

type Listener = (data: ArrayBuffer) => void;

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/**
 * A microphone that can be changed for another while it is listened to.
 *
 * What is sent comes out of a graph of its own, so that neither a call nor its transport notices a
 * change of device, and a transport that stops its track does not stop the microphone.
 */
export class Microphone {
  readonly level: Level;
  private readonly context = new AudioContext();
  private out: MediaStreamAudioDestinationNode;
  private stream: MediaStream | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private recorder: AudioWorkletNode | null = null;
  private enabled = true;

  /** Build it on a gesture. */
  constructor() {
    this.level = new Level(this.context);
    this.out = this.context.createMediaStreamDestination();
    void this.context.resume();
  }

  /**
   * Listen to a device; to the usual one if none is named.
   *
   * Throws the browser's `DOMException` where there is none, or none is allowed.
   */
  async use(deviceId: string): Promise<void> {
    const device = deviceId ? { deviceId: { exact: deviceId } } : {};
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...WANTED, ...device } });
    this.release();
    this.stream = stream;
    this.source = this.context.createMediaStreamSource(stream);
    for (const node of [this.level.input, this.out, this.recorder]) {
      if (node !== null) {
        this.source.connect(node);
      }
    }
    this.enable(this.enabled);
  }

  /** Hand what is heard to somebody, too, in pieces. */
  async record(listener: Listener): Promise<void> {
    await this.context.audioWorklet.addModule(captureUrl);
    this.recorder = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.recorder.port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      listener(data);
    };
    this.source?.connect(this.recorder);
  }

  enable(enabled: boolean): void {
    this.enabled = enabled;
    for (const track of this.stream?.getAudioTracks() ?? []) {
      track.enabled = enabled;
    }
  }

  get isEnabled(): boolean {
    return this.enabled;
  }

  /** The device's id; empty while there is none. */
  get device(): string {
    return this.stream?.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** What is heard, as a track; a new one if the last was stopped. */
  get track(): MediaStreamTrack | undefined {
    if (this.out.stream.getAudioTracks()[0]?.readyState === "ended") {
      this.out = this.context.createMediaStreamDestination();
      this.source?.connect(this.out);
    }
    return this.out.stream.getAudioTracks()[0];
  }

  private release(): void {
    this.source?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) {
      track.stop();
    }
  }

  async close(): Promise<void> {
    this.release();
    await this.context.close();
  }
}
