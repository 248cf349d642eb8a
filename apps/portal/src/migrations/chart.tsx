/** A small uPlot chart by iteration; the same figures stand in the table below it. */
import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { useIsDark } from '../app/theme.js';

export interface Line {
  readonly label: string;
  /** Name of a CSS variable. */
  readonly color: `--${string}`;
  readonly values: readonly (number | null)[];
  readonly isDashed?: boolean;
  readonly isFilled?: boolean;
}

interface ChartProps {
  readonly label: string;
  readonly iterations: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const HEIGHT = 200;

export function Chart({ label, iterations, lines, format }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const isDark = useIsDark();
  const data: uPlot.AlignedData = [[...iterations], ...lines.map(({ values }) => [...values])];
  const latest = useRef(data);
  latest.current = data;
  const shape = lines.map(({ label: name }) => name).join();

  useEffect(() => {
    const box = place.current!;
    const style = getComputedStyle(box);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color('--chart-text'),
      grid: { stroke: color('--chart-grid'), width: 1 },
      ticks: { show: false },
      font: `11px ${style.fontFamily}`,
    };
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        scales: {
          x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
          y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] },
        },
        axes: [
          {
            ...axis,
            incrs: [1, 2, 5, 10, 20, 50, 100],
            values: (_, ticks) => ticks.map((tick) => `${tick}`),
            size: 28,
          },
          { ...axis, values: (_, ticks) => ticks.map(format), size: 76 },
        ],
        series: [
          { label: 'Pass', value: (_, value, __, index) => String(index === null ? latest.current[0].at(-1) : value) },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: 2,
            dash: line.isDashed ? [6, 4] : undefined,
            fill: line.isFilled ? `color-mix(in srgb, ${color(line.color)} 16%, transparent)` : undefined,
            points: { show: true, size: 6, fill: color(line.color) },
            // Without the cursor on the chart the legend shows the last pass.
            value: (_: uPlot, value: number | null, series: number, index: number | null) => {
              const shown = index === null ? latest.current[series]?.at(-1) : value;
              return shown === null || shown === undefined ? '–' : format(shown);
            },
          })),
        ],
        cursor: { drag: { x: false, y: false } },
      },
      latest.current,
      box,
    );
    chart.current = plot;
    const resized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
    // The data is set below; lines and format only change with `shape`.
  }, [isDark, shape]);

  useEffect(() => chart.current?.setData(latest.current), [iterations, lines]);

  return <div ref={place} className="chart" role="img" aria-label={label} />;
}
