namespace PeftCore.Tokenizers;

/// <summary>The formats of common families, with generation blocks around the assistant's answers. They cover conversations of text; the
/// templates that models ship also handle tools.</summary>
internal static class BuiltInTemplates
{
    // Input that a format cannot express is refused: it must neither be dropped nor be trained on as an answer.
    private const string Guard = """
        {% if tools or documents %}{{ raise_exception('this format knows no tools or documents') }}{% endif %}
        {% for m in messages %}
        {% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('this format has no role ' ~ m.role) }}{% endif %}
        {% if m.content is not string %}{{ raise_exception('this format knows only contents of text') }}{% endif %}
        {% if m.tool_calls %}{{ raise_exception('this format knows no tool calls') }}{% endif %}
        {% endfor %}
        {% set bos_token = bos_token | default('') %}{% set eos_token = eos_token | default('') %}

        """;

    private const string ChatMl = """
        {% for m in messages %}{% if m.role == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}
        {%- else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string Llama2 = """
        {% set system = '' %}{% set turns = messages %}
        {% if messages and messages[0].role == 'system' %}{% set system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}{% set turns = messages[1:] %}{% endif %}
        {% for m in turns %}
        {% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user, assistant, user, …') }}{% endif %}
        {% if m.role == 'user' %}{{ bos_token + '[INST] ' + ((system if loop.first else '') + m.content).strip() + ' [/INST]' }}
        {%- else %}{% generation %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endgeneration %}{% endif %}{% endfor %}
        """;

    private const string Llama3 = """
        {{ bos_token }}
        {%- for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}
        {%- if m.role == 'assistant' %}{% generation %}{{ m.content.strip() + '<|eot_id|>' }}{% endgeneration %}
        {%- else %}{{ m.content.strip() + '<|eot_id|>' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
        """;

    private const string Mistral = """
        {% set system = '' %}{% set turns = messages %}
        {% if messages and messages[0].role == 'system' %}{% set system = messages[0].content + '\n\n' %}{% set turns = messages[1:] %}{% endif %}
        {{ bos_token }}
        {%- for m in turns %}
        {% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user, assistant, user, …') }}{% endif %}
        {% if m.role == 'user' %}{{ '[INST] ' + (system if loop.first else '') + m.content + ' [/INST]' }}
        {%- else %}{% generation %}{{ ' ' + m.content + eos_token }}{% endgeneration %}{% endif %}{% endfor %}
        """;

    private const string Gemma = """
        {{ bos_token }}
        {%- for m in messages %}
        {% if m.role == 'system' %}{{ raise_exception('this format has no system role') }}{% endif %}
        {% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user, assistant, user, …') }}{% endif %}
        {% if m.role == 'assistant' %}{{ '<start_of_turn>model\n' }}{% generation %}{{ m.content | trim + '<end_of_turn>' }}{% endgeneration %}{{ '\n' }}
        {%- else %}{{ '<start_of_turn>' + m.role + '\n' + m.content | trim + '<end_of_turn>\n' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
        """;

    private const string Phi3 = """
        {% for m in messages %}{{ '<|' + m.role + '|>\n' }}
        {%- if m.role == 'assistant' %}{% generation %}{{ m.content + '<|end|>' }}{% endgeneration %}{{ '\n' }}
        {%- else %}{{ m.content + '<|end|>\n' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}
        """;

    private const string Zephyr = """
        {% for m in messages %}{{ '<|' + m.role + '|>\n' }}
        {%- if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '\n' }}
        {%- else %}{{ m.content + eos_token + '\n' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
        """;

    private const string Alpaca = """
        {% if not messages or messages[0].role != 'system' %}{{ 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' }}{% endif %}
        {% for m in messages %}
        {% if m.role == 'system' %}{{ m.content + '\n\n' }}
        {%- elif m.role == 'user' %}{{ '### Instruction:\n' + m.content + '\n\n' }}
        {%- else %}{{ '### Response:\n' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '' if loop.last else '\n\n' }}{% endif %}{% endfor %}
        {% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}
        """;

    public static IReadOnlyList<string> Names { get; } = ["alpaca", "chatml", "gemma", "llama2", "llama3", "mistral", "phi3", "zephyr"];

    public static string Find(string name) => Guard + name switch
    {
        "alpaca" => Alpaca,
        "chatml" => ChatMl,
        "gemma" => Gemma,
        "llama2" => Llama2,
        "llama3" => Llama3,
        "mistral" => Mistral,
        "phi3" => Phi3,
        "zephyr" => Zephyr,
        _ => throw new BadInputException($"There is no built-in chat template \"{name}\"; choose one of {string.Join(", ", Names)}."),
    };
}
