"""Prompts full of code in which braces mean something else: they must arrive as they are."""

from __future__ import annotations

PLAIN = {  # without "{{": nothing in them is special
    "typescript": [
        "type P<T> = { [K in keyof T]?: T[K] };\nconst f = (x: number): string => `${x} of ${'$'}{y}`;",
        "interface A { b: { c: number } }\nexport default class X<T extends A> {}",
        "const o = { a: { b: 1 } }; const { a: { b } } = o; // why $b?",
    ],
    "rust": [
        'fn main() { println!("{:?} {x:>8.2}", Some(1)); }',
        "impl<'a, T: Fn(&'a str) -> u8> Trait for S<T> { fn f(&self) -> u8 { (self.0)(\"a\") } }",
        'let s = r#"a "quoted" {name}"#; match s { "x" if s.len() > 3 => {}, _ => unreachable!() }',
    ],
    "c++": [
        "std::map<int, std::vector<int>> m{ {1, {2, 3}}, {4, {}} };",
        "template <typename... T> auto f(T&&... t) { return (... + std::forward<T>(t)); }",
        "#define MAX(a,b) ((a)>(b)?(a):(b))\nint main() { return [=]() -> int { return 1; }(); }",
    ],
    "latex": [
        r"\frac{a}{b} \sum_{i=1}^{n} x_i \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}",
        r"$\mathbf{x}^{\top} \in \mathbb{R}^{n}$ costs $5\,\%$ of \$10",
        r"\newcommand{\norm}[1]{\left\lVert #1 \right\rVert} \text{ what does \verb|#1| mean?}",
    ],
    "jinja": [
        "{% for x in xs if x %}{# a comment #}{% endfor %}",
        "{%- macro f(a, b=2) -%}text{%- endmacro -%}",
        "{% set x = {'a': [1, 2]} %}",
    ],
    "github actions": [
        "on:\n  push: { branches: [ main ] }\njobs:\n  t: { runs-on: ubuntu-latest }",
        "- run: echo \"$GITHUB_REF\" | sed 's/x/{y}/'\n  if: always()",
        "strategy:\n  matrix: { os: [ubuntu, macos], py: ['3.11', '3.12'] }",
    ],
    "helm": [
        "replicaCount: 2\nresources: { limits: { cpu: 100m } }",
        "# values.yaml\nimage: { repository: nginx, tag: '' }",
        "helm template . --set 'a.b={x,y}' | kubectl apply -f -",
    ],
    "vue": [
        '<li v-for="x in xs" :key="x.id" @click="go({ id: x.id })" :class="{ on: x.ok }"></li>',
        "<script setup>\nconst p = defineProps({ a: { type: String } })\n</script>",
        "<style scoped>.a { b: c } @media (x) { .d { e: f } }</style>",
    ],
    "json": [
        '{"a": {"b": [1, 2.50, {"c": null}]}, "d": "\\u00e9\\n{x}"}',
        '[{"$ref": "#/$defs/a"}, {"pattern": "^\\\\d{3}$"}]',
        '{"%s": "%(x)d", "{0}": "{}", "deep": {"er": {}}}',
    ],
    "f-strings": [
        "f'{x!r:>{width}} {y:,.2f} {z=}'",
        "rf'{a}\\d' + f\"{d['k']}\" + '{}'.format(1)",
        "print(f'{x:{y}.{z}f}', '%d %%' % 3)",
    ],
    "shell": [
        'for f in *.{txt,md}; do echo "${f%.*}" $((1+2)) `date` $?; done',
        "awk '{ print $1, $NF }' x | xargs -I{} sh -c 'echo {} && exit 1'",
        "!ls %magic $HOME ~ ${x:-default} ${#a[@]} > /dev/null 2>&1 # ? ",
    ],
    "regexes": [
        r"(?P<y>\d{4})-(?:0[1-9]|1[0-2])\b.{2,}?\\\{x\}",
        r"^[^{}]*$|\p{L}{1,3}+ (?<!\$)\{(\w+)\}",
        r"s/\{([a-z]{2})\}/<\1>/g",
    ],
    "xml": [
        '<?xml version="1.0"?><a b="{c}"><![CDATA[ {x} & <y> ]]></a>',
        '<xsl:value-of select="{$x}"/>&lt;&#123;&amp;',
        '<!DOCTYPE a [<!ENTITY e "{v}">]><a>&e;</a>',
    ],
}
BRACED = {  # with "{{": sent under --raw, a helpful error without
    "typescript": [
        "<Box style={{ color: 'red', margin: 0 }} />",
        "<T a={{}} b={{ ...props }} />",
        "const t = useT({{ key }} as const);",
    ],
    "rust": [
        'format!("{{}} {{{}}}", x)',
        'write!(f, "{{\\"a\\": {}}}", self.a)',
        'println!("{{name}} is not replaced");',
    ],
    "c++": [
        "std::array<std::array<int, 2>, 2> a{{1, 2}, {3, 4}};",
        "int m[2][2] = {{1, 2}};",
        "std::vector<std::pair<int, char>> v{{1, 'a'}};",
    ],
    "latex": [
        r"{{\bfseries text}}",
        r"\section{{\tt code}}",
        r"\href{x}{{\LaTeX} and {\TeX}} {{a}",
    ],
    "jinja": [
        "{{ user.name | upper }}",
        "{{ x if x else 'none' }} {{ loop.index }}",
        "{{ super() }} {% block a %}{% endblock %}",
    ],
    "github actions": [
        "run: echo ${{ github.ref }}",
        "if: ${{ always() && matrix.os == 'ubuntu' }}",
        "key: ${{ runner.os }}-${{ hashFiles('**/lock') }}",
    ],
    "helm": [
        "name: {{ .Release.Name }}-{{ .Chart.Name }}",
        '{{- include "a.labels" . | nindent 4 }}',
        "{{ if .Values.x }}a{{ else }}b{{ end }}",
    ],
    "vue": [
        "<p>{{ message }}</p>",
        "<p>{{ ok ? 'YES' : 'NO' }}</p>",
        "<p>{{ items.map(i => i.n).join(', ') }}</p>",
    ],
    "json": [
        '{"a": "{{ value }}", "b": "{{{raw}}}"}',
        '["{{#each rows}}", "{{this}}", "{{/each}}"]',
        '{"url": "{{baseUrl}}/v1/{{id}}"}',
    ],
    "f-strings": [
        "f'{{literal}} {x}'",
        "f'{{{name}}}'",
        "'{{}}'.format()",
    ],
    "shell": [
        "docker ps --format '{{.Names}}\\t{{.Status}}'",
        "curl -d '{{\"a\": 1}}' x",
        "ansible -a 'echo {{ inventory_hostname }}'",
    ],
    "regexes": [
        r"\{\{(\w+)\}\} matches {{word}}",
        r"[{{}}]+",
        r"{{(?:[^}]|}[^}])*}}",
    ],
    "xml": [
        "<a b='{{ binding }}'/>",
        '<TextBlock Text="{{x:Bind Name}}"/>',
        "<a>{{{unescaped}}}</a>",
    ],
}
