/** Plays what comes, in order, and forgets what is waiting when it is told to be silent. */

class Playback extends AudioWorkletProcessor {
  private waiting: Float32Array[] = [];
  private at = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Float32Array | null>) => {
      if (data === null) {
        this.waiting = [];
        this.at = 0;
      } else {
        this.waiting.push(data);
      }
    };
  }

  process(_: Float32Array[][], [output]: Float32Array[][]): boolean {
    const channel = output?.[0];
    for (let index = 0; channel !== undefined && index < channel.length; index += 1) {
      channel[index] = this.next();
    }
    return true;
  }

  private next(): number {
    const first = this.waiting[0];
    if (first === undefined) {
      return 0;
    }
    const sample = first[this.at] ?? 0;
    this.at += 1;
    if (this.at >= first.length) {
      this.waiting.shift();
      this.at = 0;
    }
    return sample;
  }
}

registerProcessor("playback", Playback);
