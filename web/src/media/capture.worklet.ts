/** The microphone, as 16-bit mono PCM at the rate that the recogniser hears. */

const TARGET_HZ = 16_000;
const CHUNK_SAMPLES = 512;

class Capture extends AudioWorkletProcessor {
  private readonly step = sampleRate / TARGET_HZ;
  private readonly chunk = new Int16Array(CHUNK_SAMPLES);
  private filled = 0;
  private sum = 0;
  private count = 0;
  private due = this.step;

  process([input]: Float32Array[][]): boolean {
    for (const sample of input?.[0] ?? []) {
      this.take(sample);
    }
    return true;
  }

  /** Every sample of the target is the mean of those in its time. */
  private take(sample: number): void {
    this.sum += sample;
    this.count += 1;
    this.due -= 1;
    if (this.due > 0) {
      return;
    }
    this.due += this.step;
    const mean = Math.max(-1, Math.min(1, this.sum / this.count));
    this.chunk[this.filled] = Math.round(mean * 32_767);
    this.filled += 1;
    this.sum = this.count = 0;
    if (this.filled === CHUNK_SAMPLES) {
      const full = this.chunk.slice().buffer;
      this.port.postMessage(full, [full]);
      this.filled = 0;
    }
  }
}

registerProcessor("capture", Capture);
