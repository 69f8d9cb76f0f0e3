'use strict';
// What a chart shows at the step under the pointer, or, with the keyboard, from point to point. All numbers are read
// from the drawing; without this script the page lacks nothing else.
for (const plot of document.querySelectorAll('.plot')) {
  const [x0, x1, y0, y1] = ['x0', 'x1', 'y0', 'y1'].map(name => Number(plot.dataset[name]));
  const stepAt = x => x0 + x / 10000 * (x1 - x0);
  const valueAt = y => {
    const part = 1 - y / 10000;
    return plot.dataset.log === '1' ? y0 * Math.pow(y1 / y0, part) : y0 + part * (y1 - y0);
  };
  const text = value => {
    const digits = plot.dataset.log === '1' ? 3 : Math.ceil(Math.log10(Math.abs(value) / (y1 - y0) * 1000));
    return Math.abs(value) < (y1 - y0) * 1e-4 ? '0' : String(Number(value.toPrecision(Math.min(12, Math.max(1, digits)))));
  };
  // The first line of the legend is drawn last.
  const lines = [...plot.querySelectorAll('path.line')].reverse().map(path => {
    const numbers = path.getAttribute('d').match(/-?\d+/g).map(Number);
    const points = [];
    for (let i = 0, x = 0, y = 0; i + 1 < numbers.length; i += 2)
      points.push({x: x += numbers[i], y: y += numbers[i + 1]});
    return {name: path.dataset.name, points};
  });
  const steps = [...new Set(lines.flatMap(line => line.points.map(point => point.x)))].sort((a, b) => a - b);
  const nearest = (points, x) => points.reduce((best, point) => Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best);
  const part = name => {
    const element = plot.appendChild(document.createElement('div'));
    element.className = name;
    element.hidden = true;
    return element;
  };
  const cursor = part('cursor');
  const tip = part('tip');
  tip.setAttribute('role', 'status');
  let at = steps.length;

  const show = x => {
    tip.replaceChildren();
    const say = line => { tip.appendChild(document.createElement('div')).textContent = line; };
    say('step ' + Math.round(stepAt(x)));
    for (const line of lines) {
      const point = nearest(line.points, x);
      // A line that has ended, or not begun, has nothing to say here.
      if (Math.abs(point.x - x) <= 400) say(line.name + ' ' + text(valueAt(point.y)));
    }
    cursor.style.left = tip.style.left = tip.style.right = x / 100 + '%';
    tip.style[x > 5000 ? 'left' : 'right'] = 'auto';
    if (x > 5000) tip.style.right = 100 - x / 100 + '%';
    cursor.hidden = tip.hidden = false;
  };
  const hide = () => { cursor.hidden = tip.hidden = true; };
  if (!steps.length) continue;
  const follow = event => {
    const box = plot.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * 10000;
    at = steps.indexOf(steps.reduce((best, step) => Math.abs(step - x) < Math.abs(best - x) ? step : best));
    show(steps[at]);
  };
  plot.addEventListener('pointermove', follow);
  plot.addEventListener('pointerdown', follow);
  plot.addEventListener('pointerleave', hide);
  plot.addEventListener('blur', hide);
  plot.addEventListener('keydown', event => {
    const way = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!way) return;
    event.preventDefault();
    at = Math.min(steps.length - 1, Math.max(0, at + way));
    show(steps[at]);
  });
  plot.tabIndex = 0;
}
