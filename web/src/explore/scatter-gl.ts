/** Points drawn with WebGL2. Fast enough for software rendering: no blending, no depth, small points are squares. */

import { pointSize, scaleOf } from "./camera";
import { FADED, RINGS, type Changes, type Painter, type Scene } from "./scene";

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
uniform vec4 mixed; // a colour, and its share
flat out lowp vec3 paint;
void main() {
  // Hidden points are moved out of the view, so they are not drawn.
  gl_Position = colour.a == 0.0 ? vec4(2.0, 2.0, 0.0, 1.0) : vec4((place - centre) * scale, 0.0, 1.0);
  gl_PointSize = size;
  paint = mix(colour.rgb, mixed.rgb, mixed.a);
}`;

const SQUARE = `#version 300 es
precision lowp float;
flat in lowp vec3 paint;
out vec4 result;
void main() { result = vec4(paint, 1.0); }`;

const ROUND = `#version 300 es
precision mediump float;
flat in lowp vec3 paint;
out vec4 result;
void main() {
  vec2 from = gl_PointCoord - 0.5;
  if (dot(from, from) > 0.25) discard;
  result = vec4(paint, 1.0);
}`;

/** Below this many pixels, a circle looks like a square. */
const SMALL = 4;

interface Shader {
  program: WebGLProgram;
  centre: WebGLUniformLocation | null;
  scale: WebGLUniformLocation | null;
  size: WebGLUniformLocation | null;
  mixed: WebGLUniformLocation | null;
}

interface Parts {
  square: Shader;
  round: Shader;
  array: WebGLVertexArrayObject;
  places: WebGLBuffer;
  colours: WebGLBuffer;
  selected: WebGLBuffer;
}

/** Draws with WebGL2; the constructor throws if the browser has none. */
export class GlPainter implements Painter {
  readonly way = "webgl2";
  readonly canvas = document.createElement("canvas");
  private readonly gl: WebGL2RenderingContext;
  private parts: Parts | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly events = new AbortController();

  /** Args: when.restored: a lost context is back, draw everything again; when.broken: it does not come back. */
  constructor(when: { restored: () => void; broken: () => void }) {
    const gl = this.canvas.getContext("webgl2", {
      alpha: true,
      antialias: false,
      depth: false,
      stencil: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("This browser has no WebGL2.");
    this.gl = gl;
    this.parts = build(gl);
    const signal = this.events.signal;
    this.canvas.addEventListener(
      "webglcontextlost",
      (event) => {
        event.preventDefault(); // otherwise it is never restored
        this.parts = null;
        this.timer = setTimeout(when.broken, 2000);
      },
      { signal },
    );
    this.canvas.addEventListener(
      "webglcontextrestored",
      () => {
        clearTimeout(this.timer);
        try {
          this.parts = build(gl);
          when.restored();
        } catch {
          when.broken();
        }
      },
      { signal },
    );
  }

  /** Whether the processor draws, because there is no graphics card. */
  get software(): boolean {
    const names = this.gl.getExtension("WEBGL_debug_renderer_info");
    const name: unknown = this.gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? this.gl.RENDERER);
    return /swiftshader|llvmpipe|software|basic render/i.test(String(name));
  }

  draw(scene: Scene, changes: Changes): void {
    const { gl, parts, canvas } = this;
    if (!parts || gl.isContextLost()) return;
    const width = Math.max(1, Math.round(scene.size.width * scene.density));
    const height = Math.max(1, Math.round(scene.size.height * scene.density));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    gl.bindVertexArray(parts.array);
    this.upload(parts, scene, changes);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const count = scene.places.length / 2;
    if (count === 0) return;
    const size = pointSize(count, scene.camera.zoom) * scene.density;
    const some = scene.selected.length > 0;
    this.use(parts, scene, size, scene.ground, some ? 1 - FADED : 0);
    gl.drawArrays(gl.POINTS, 0, count);
    if (!some) return;
    if (scene.selected.length <= RINGS) {
      this.use(parts, scene, size + 5 * scene.density, scene.ink, 1);
      gl.drawElements(gl.POINTS, scene.selected.length, gl.UNSIGNED_INT, 0);
    }
    this.use(parts, scene, size + 2 * scene.density, scene.ink, 0);
    gl.drawElements(gl.POINTS, scene.selected.length, gl.UNSIGNED_INT, 0);
  }

  close(): void {
    clearTimeout(this.timer);
    this.events.abort();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.parts = null;
  }

  private upload(parts: Parts, scene: Scene, changes: Changes): void {
    const { gl } = this;
    if (changes.places) {
      gl.bindBuffer(gl.ARRAY_BUFFER, parts.places);
      gl.bufferData(gl.ARRAY_BUFFER, scene.places, gl.STATIC_DRAW);
    }
    if (changes.colours) {
      gl.bindBuffer(gl.ARRAY_BUFFER, parts.colours);
      gl.bufferData(gl.ARRAY_BUFFER, scene.colours, gl.DYNAMIC_DRAW);
    }
    if (changes.selected) {
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, parts.selected);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, scene.selected, gl.DYNAMIC_DRAW);
    }
  }

  /** Set the shader for points of one size, mixed with a colour. */
  private use(parts: Parts, scene: Scene, size: number, other: [number, number, number], share: number): void {
    const { gl } = this;
    const { camera } = scene;
    const shader = size < SMALL ? parts.square : parts.round;
    const scale = 2 * scaleOf(camera, scene.size);
    gl.useProgram(shader.program);
    gl.uniform2f(shader.centre, camera.x, camera.y);
    gl.uniform2f(shader.scale, scale / scene.size.width, scale / scene.size.height);
    gl.uniform1f(shader.size, Math.max(1, size));
    gl.uniform4f(shader.mixed, other[0] / 255, other[1] / 255, other[2] / 255, share);
  }
}

function build(gl: WebGL2RenderingContext): Parts {
  const parts: Parts = {
    square: shader(gl, SQUARE),
    round: shader(gl, ROUND),
    array: gl.createVertexArray(),
    places: gl.createBuffer(),
    colours: gl.createBuffer(),
    selected: gl.createBuffer(),
  };
  gl.bindVertexArray(parts.array);
  gl.bindBuffer(gl.ARRAY_BUFFER, parts.places);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, parts.colours);
  gl.enableVertexAttribArray(1);
  gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, parts.selected);
  gl.disable(gl.BLEND);
  gl.disable(gl.DITHER);
  return parts;
}

function shader(gl: WebGL2RenderingContext, fragment: string): Shader {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const part = gl.createShader(type);
    if (!part) throw new Error("WebGL2 did not create a shader.");
    gl.shaderSource(part, source);
    gl.compileShader(part);
    gl.attachShader(program, part);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.bindAttribLocation(program, 1, "colour");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`A shader cannot be linked: ${gl.getProgramInfoLog(program)}`);
  }
  const at = (name: string) => gl.getUniformLocation(program, name);
  return { program, centre: at("centre"), scale: at("scale"), size: at("size"), mixed: at("mixed") };
}
