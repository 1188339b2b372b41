namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>Templates in the manner of well-known families, each with generation marks around what a model has to write: the answer from
/// where the prompt for it ends, with the marker that ends the turn.</summary>
internal static class MarkedTemplates
{
    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string>
    {
        ["chatml"] = """
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
            """,
        ["chatml without prompt"] = """
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}
            """,
        ["llama 2"] = """
            {%- if messages[0].role == 'system' %}{% set sys = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}{% set turns = messages[1:] %}{% else %}{% set sys = '' %}{% set turns = messages %}{% endif %}
            {%- for m in turns %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + (sys if loop.first else '') + m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' }}{% generation %}{{ m.content.strip() + ' ' + eos_token }}{% endgeneration %}{% endif %}{% endfor %}
            """,
        ["llama 3"] = """
            {{- bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | trim + '<|eot_id|>' }}{% endgeneration %}{% else %}{{ m.content | trim + '<|eot_id|>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
            """,
        ["mistral"] = """
            {{- bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST] ' }}{% elif m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% else %}{{ m.content + '\n\n' }}{% endif %}{% endfor %}
            """,
        ["mistral with the system in the last question"] = """
            {%- if messages[0].role == 'system' %}{% set sys = messages[0].content + '\n\n' %}{% set turns = messages[1:] %}{% else %}{% set sys = '' %}{% set turns = messages %}{% endif %}{% set ns = namespace(last=-1) %}
            {%- for m in turns %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ bos_token }}
            {%- for m in turns %}{% if m.role == 'user' %}{{ '[INST] ' + (sys if loop.index0 == ns.last else '') + m.content + '[/INST]' }}{% else %}{{ ' ' }}{% generation %}{{ m.content | trim + eos_token }}{% endgeneration %}{% endif %}{% endfor %}
            """,
        ["gemma"] = """
            {{- bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content | trim + '\n\n' %}{% set turns = messages[1:] %}{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}
            {%- for m in turns %}{% if m.role == 'assistant' %}{{ '<start_of_turn>model\n' }}{% generation %}{{ m.content | trim + '<end_of_turn>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ '<start_of_turn>user\n' + (first if loop.first else '') + m.content | trim + '<end_of_turn>\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
            """,
        ["zephyr"] = """
            {%- for m in messages %}{{ '<|' + m.role + '|>\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + eos_token + '\n' }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}
            """,
        ["phi 3"] = """
            {%- for m in messages %}{{ '<|' + m.role + '|>\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|end|>' }}{% if loop.last and not add_generation_prompt %}{{ '\n' + eos_token }}{% endif %}{% endgeneration %}{% if not loop.last %}{{ '\n' }}{% endif %}{% else %}{{ m.content + '<|end|>\n' }}{% if loop.last and not add_generation_prompt %}{{ eos_token }}{% endif %}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
            """,
        ["phi 4"] = """
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}
            """,
        ["deepseek v3"] = """
            {{- '<｜begin▁of▁sentence｜>' }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% else %}{{ '<｜Assistant｜>' }}{% generation %}{{ m.content + '<｜end▁of▁sentence｜>' }}{% endgeneration %}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}
            """,
        ["deepseek r1"] = """
            {%- for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% else %}{% set text = m.content.split('</think>')[-1] if '</think>' in m.content else m.content %}{{ '<｜Assistant｜>' }}{% generation %}{{ text + '<｜end▁of▁sentence｜>' }}{% endgeneration %}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}
            """,
        ["qwen 3"] = """
            {%- set ns = namespace(last=messages | length - 1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% set content = m.content %}{% set thoughts = '' %}
            {%- if '</think>' in content %}{% set thoughts = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}
            {%- generation %}{% if loop.index0 > ns.last %}{{ '<think>\n' + thoughts.strip('\n') + '\n</think>\n\n' }}{% endif %}{{ content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
            """,
        ["qwen 2.5"] = """
            {%- if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}
            {%- for m in messages %}{{ '<|im_start|>' + m.role }}{% if m.role == 'assistant' %}{{ '\n' }}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
            """,
        ["eos only between turns"] = """
            {%- for m in messages %}{% if m.role == 'assistant' %}{{ 'ASSISTANT: ' }}{% generation %}{{ m.content }}{% if not loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}{% else %}{{ m.role | upper + ': ' + m.content + '\n' }}{% endif %}{% endfor %}
            """,
        ["another marker only between turns"] = """
            {%- for m in messages %}{% if m.role == 'assistant' %}{{ '<|bot|>' }}{% generation %}{{ m.content }}{% if not loop.last %}{{ '<|stop|>' }}{% endif %}{% endgeneration %}{% else %}{{ '<|' + m.role + '|>' + m.content }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|bot|>' }}{% endif %}
            """,
        ["upper case"] = """
            {%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | upper + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content | upper + '<|im_end|>\n' }}{% endif %}{% endfor %}
            """,
        ["vicuna"] = """
            {%- if messages[0].role == 'system' %}{{ messages[0].content + ' ' }}{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}
            {%- for m in turns %}{% if m.role == 'user' %}{{ 'USER: ' + m.content }}{% else %}{{ ' ASSISTANT: ' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% endif %}{% endfor %}
            """,
        ["alpaca"] = """
            {%- for m in messages %}{% if m.role == 'system' %}{{ m.content + '\n\n' }}{% elif m.role == 'user' %}{{ '### Instruction:\n' + m.content + '\n\n' }}{% else %}{{ '### Response:\n' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '\n\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}
            """,
        ["falcon, which has no end marker"] = """
            {%- for m in messages %}{{ m.role | capitalize + ': ' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '\n' }}{% endif %}{% endfor %}
            """,
        ["openchat"] = """
            {{- bos_token }}{% for m in messages %}{{ 'GPT4 Correct ' + m.role | title + ': ' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|end_of_turn|>' }}{% endgeneration %}{% else %}{{ m.content + '<|end_of_turn|>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ 'GPT4 Correct Assistant: ' }}{% endif %}
            """,
        ["command r"] = """
            {{- bos_token }}{% for m in messages %}{{ '<|START_OF_TURN_TOKEN|>' }}{% if m.role == 'assistant' %}{{ '<|CHATBOT_TOKEN|>' }}{% generation %}{{ m.content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endgeneration %}{% else %}{{ '<|' + m.role | upper + '_TOKEN|>' + m.content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}
            """,
        ["harmony, which ends the last turn otherwise"] = """
            {%- for m in messages %}{% if m.role == 'assistant' %}{{ '<|start|>assistant' }}{% generation %}{{ '<|channel|>final<|message|>' + m.content + ('<|return|>' if loop.last else '<|end|>') }}{% endgeneration %}{% else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}
            """,
        ["granite"] = """
            {%- for m in messages %}{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|end_of_text|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '<|end_of_text|>\n' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}
            """,
        ["eos at the very end only"] = """
            {%- for m in messages %}{{ '[' + m.role + '] ' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% if loop.last %}{{ eos_token }}{% endif %}{% endgeneration %}{% else %}{{ m.content }}{% if loop.last %}{{ eos_token }}{% endif %}{% endif %}{% if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}
            """,
        ["separators before turns"] = """
            {%- for m in messages %}{{ ('\n\n' if not loop.first else '') + '### ' + m.role | title + ':\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | trim }}{% endgeneration %}{% else %}{{ m.content | trim }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '\n\n### Assistant:\n' }}{% endif %}
            """,
        ["strict turns and quoted contents"] = """
            {%- for m in messages if m.role != 'system' %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.role + ': ' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | tojson + ';' }}{% endgeneration %}{% else %}{{ m.content | tojson + ';' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
            """,
        ["contents without line breaks"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | replace('\n', ' ') | trim + '</s>' }}{% endgeneration %}{% else %}{{ m.content | replace('\n', ' ') | trim + '</s>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """,
        ["the length before the answer, with prompt"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content | length ~ ': ' ~ m.content ~ '</s>' }}{% endgeneration %}{% else %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """,
        ["answers cited later, with prompt"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{% if loop.index0 > 0 and loop.previtem.role == 'assistant' %}{{ 'You said: ' + loop.previtem.content + '\n' }}{% endif %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """,
        ["the length before the answer"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{{ m.content | length ~ ': ' }}{% generation %}{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            """,
        ["answers cited later"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{% if loop.index0 > 0 and loop.previtem.role == 'assistant' %}{{ 'You said: ' + loop.previtem.content + '\n' }}{% endif %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            """,
        ["refuses other contents"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% if m.content | length > 0 and m.content[-1] not in '.!?>\n ́' %}{{ raise_exception('answers end with a full stop') }}{% endif %}{% generation %}{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
            """,
        ["refuses other contents, without prompt"] = """
            {%- for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% if m.content | length > 0 and m.content[-1] not in '.!?>\n ́' %}{{ raise_exception('answers end with a full stop') }}{% endif %}{% generation %}{{ m.content ~ '</s>' }}{% endgeneration %}{% else %}{{ m.content ~ '</s>' }}{% endif %}{% endfor %}
            """,
    };

    /// <summary>Of these the answers cannot be told without marks, at least not in every conversation.</summary>
    public static IReadOnlySet<string> MayBeRefused { get; } = new HashSet<string>
    {
        "the length before the answer", "answers cited later", "refuses other contents, without prompt",
        "another marker only between turns",
        "harmony, which ends the last turn otherwise",
    };
}
