/** A VM's serial console: its output as it comes, and what is typed into it. Asks only while it is shown. */
import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import type { DroverClient } from '#client';
import { useIsDark } from '../app/theme.js';
import { useSession } from '../live/session.js';

const POLL_MS = 500;
const AFTER_ERROR_MS = 3000;
/** Keys typed in quick succession travel together. */
const TYPE_MS = 40;
const MOST_CHARACTERS = 4096;

const LOOK = {
  dark: { background: '#0b1214', foreground: '#d5dfe1', cursor: '#5fc4bd', selectionBackground: '#2f4d54' },
  light: { background: '#fbfcfc', foreground: '#1c2b2f', cursor: '#0b7a75', selectionBackground: '#cfe3e1' },
};

/** Sends what is typed, in order, one request at a time. */
class Keyboard {
  private typed = '';
  private sending = false;

  constructor(
    private readonly client: DroverClient,
    private readonly vmId: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  type(text: string): void {
    this.typed += text;
    if (!this.sending) void this.send();
  }

  private async send(): Promise<void> {
    this.sending = true;
    try {
      while (this.typed !== '') {
        await new Promise((done) => setTimeout(done, TYPE_MS));
        const text = this.typed.slice(0, MOST_CHARACTERS);
        this.typed = this.typed.slice(text.length);
        await this.client.vms.type(this.vmId, { text });
      }
    } catch (error) {
      this.typed = '';
      this.onError(error);
    } finally {
      this.sending = false;
    }
  }
}

/** `epoch`: of the VM; each start and each move begins a console of its own. */
export function Console({ vmId, vmName, epoch }: { vmId: string; vmName: string; epoch: number }) {
  const { client } = useSession();
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(null);
  const [problem, setProblem] = useState<string>();
  const isDark = useIsDark();
  const currentEpoch = useRef(epoch);
  useEffect(() => {
    currentEpoch.current = epoch;
  }, [epoch]);

  useEffect(() => {
    const screen = new Terminal({
      convertEol: true,
      scrollback: 5000,
      fontSize: 12.5,
      fontFamily: "'Red Hat Mono', ui-monospace, monospace",
      screenReaderMode: true,
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(place.current!);
    fit.fit();
    terminal.current = screen;
    const resized = new ResizeObserver(() => fit.fit());
    resized.observe(place.current!);
    const tell = (error: unknown) => setProblem(error instanceof Error ? error.message : String(error));
    const keyboard = new Keyboard(client, vmId, tell);
    screen.attachCustomKeyEventHandler(({ key, shiftKey }) => !(key === 'Tab' && shiftKey)); // the way out by keyboard
    screen.onData((text) => keyboard.type(text));

    const hidden = new AbortController();
    let offset = 0;
    let shownEpoch = currentEpoch.current;
    const poll = async () => {
      while (!hidden.signal.aborted) {
        let waitMs = POLL_MS;
        try {
          if (currentEpoch.current !== shownEpoch) offset = 0;
          shownEpoch = currentEpoch.current;
          const output = await client.vms.console(vmId, offset);
          if (hidden.signal.aborted) return;
          screen.write(output.text);
          offset = output.next;
          setProblem(undefined);
        } catch (error) {
          tell(error);
          waitMs = AFTER_ERROR_MS;
        }
        await new Promise((done) => setTimeout(done, waitMs));
      }
    };
    void poll();
    return () => {
      hidden.abort();
      resized.disconnect();
      screen.dispose();
    };
  }, [client, vmId]);

  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = isDark ? LOOK.dark : LOOK.light;
  }, [isDark]);

  return (
    <div className="console">
      <div ref={place} className="console-screen" role="region" aria-label={`Console of ${vmName}`} />
      <p className="console-foot subtle" role="status">
        {problem ? (
          <span className="tone-warn">{problem}</span>
        ) : (
          'Click into the console to type; Shift+Tab leaves it.'
        )}
      </p>
    </div>
  );
}
