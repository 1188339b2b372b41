using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Cli.Session;

/// <summary>A method and some fields of its configuration, as in "lora", "houlsby" or
/// "prefix_tuning[num_virtual_tokens=8,prefix_projection=true]".</summary>
/// <param name="Text">The text it was read from.</param>
/// <param name="Method">The method's name.</param>
/// <param name="Fields">Fields of its adapter_config.json.</param>
internal sealed record MethodSpec(string Text, string Method, JsonObject Fields)
{
    /// <summary>Aliases of methods with some fields. Bottlenecks have AdapterHub's names, old and new.</summary>
    private static readonly Dictionary<string, (string Method, string Field, string Value)> Aliases = new(StringComparer.Ordinal)
    {
        ["rslora"] = ("lora", "use_rslora", "true"),
        ["dora"] = ("lora", "use_dora", "true"),
        ["pissa"] = ("lora", "init_lora_weights", "pissa"),
        ["olora"] = ("lora", "init_lora_weights", "olora"),
        ["eva"] = ("lora", "init_lora_weights", "eva"),
        ["corda"] = ("lora", "init_lora_weights", "corda"),
        ["lora_ga"] = ("lora", "init_lora_weights", "lora_ga"),
        ["loftq"] = ("lora", "init_lora_weights", "loftq"),
        ["seq_bn"] = ("bottleneck", "architecture", "seq_bn"),
        ["pfeiffer"] = ("bottleneck", "architecture", "seq_bn"),
        ["double_seq_bn"] = ("bottleneck", "architecture", "double_seq_bn"),
        ["houlsby"] = ("bottleneck", "architecture", "double_seq_bn"),
        ["par_bn"] = ("bottleneck", "architecture", "par_bn"),
        ["parallel"] = ("bottleneck", "architecture", "par_bn"),
        ["p_tuning_v2"] = ("prefix_tuning", "prefix_projection", "false"),
    };

    /// <summary>The names of all methods, and their aliases.</summary>
    public static IEnumerable<string> Names => PeftConfig.MethodNames.Concat(Aliases.Keys);

    /// <summary>Reads a method and the fields in its brackets.</summary>
    public static MethodSpec Parse(string text)
    {
        int open = text.IndexOf('[');
        if (open >= 0 && !text.EndsWith(']'))
        {
            throw new BadInputException($"\"{text}\" is no method: write a name, or a name with fields in brackets, such as lora[r=16]");
        }
        return Of(open < 0 ? text : text[..open], Read(open < 0 ? null : text[(open + 1)..^1])) with { Text = text };
    }

    /// <summary>Reads several methods, separated by commas.</summary>
    public static List<MethodSpec> ParseAll(string text) => [.. Parts(text).Select(Parse)];

    /// <summary>Creates a specification from a method's name or alias and fields.</summary>
    public static MethodSpec Of(string name, JsonObject fields)
    {
        string method = name.Replace('-', '_');
        if (!Aliases.TryGetValue(method, out var alias))
        {
            return new MethodSpec(name, method, fields);
        }
        var value = Value(alias.Value, alias.Field);
        if (fields[alias.Field] is { } given && !JsonNode.DeepEquals(given, value))
        {
            throw new BadInputException(
                $"the method {name} is {alias.Method} with {alias.Field}={alias.Value}, but {alias.Field} is given as " +
                $"{given.ToJsonString()}; leave one of them out");
        }
        fields[alias.Field] = value;
        return new MethodSpec(name, alias.Method, fields);
    }

    /// <summary>The method's name for a name or an alias.</summary>
    public static string MethodOf(string name) => Aliases.TryGetValue(name.Replace('-', '_'), out var alias) ? alias.Method
        : name.Replace('-', '_');

    /// <summary>The configuration for a model.</summary>
    /// <param name="model">The model's directory.</param>
    /// <param name="origin">Returns the flag that set a field, if any.</param>
    public PeftConfig Config(string? model, Func<string, string?>? origin = null)
    {
        var fields = (JsonObject)Fields.DeepClone();
        fields["task_type"] ??= "CAUSAL_LM";
        fields["base_model_name_or_path"] ??= model;
        if (Method is "prompt_tuning" or "multitask_prompt_tuning" or "p_tuning" or "prefix_tuning")
        {
            fields["num_virtual_tokens"] ??= new PromptTuningConfig().NumVirtualTokens;
        }
        if (fields["prompt_tuning_init"]?.ToString() == "TEXT")
        {
            fields["tokenizer_name_or_path"] ??= model;
        }
        return PeftConfig.Create(Method, fields, origin);
    }

    /// <summary>Fields from "a=1,b=text,c=[1,2]" or a JSON object.</summary>
    public static JsonObject Read(string? text)
    {
        if (text is null)
        {
            return [];
        }
        try
        {
            if (text.TrimStart().StartsWith('{'))
            {
                return StrictJson.ParseNode(text)!.AsObject();
            }
        }
        catch (JsonException e)
        {
            throw new BadInputException($"--method-options is no JSON object: {e.Message}", e);
        }
        var fields = new JsonObject();
        foreach (string part in Parts(text))
        {
            string[] pair = part.Split('=', 2, StringSplitOptions.TrimEntries);
            if (pair.Length != 2 || pair[0].Length == 0)
            {
                string comma = NumberText.TryFloat(part, out _) ? "; numbers have a decimal point, not a comma" : "";
                throw new BadInputException(
                    $"\"{part}\" is no name=value; write fields with commas between, such as r=16,alpha=32, or a JSON object{comma}");
            }
            if (!fields.TryAdd(pair[0], Value(pair[1], pair[0])))
            {
                throw new BadInputException($"the field {pair[0]} is given twice; give it once");
            }
        }
        return fields;
    }

    /// <summary>Splits at commas outside brackets.</summary>
    private static IEnumerable<string> Parts(string text)
    {
        int depth = 0, start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            char c = i < text.Length ? text[i] : ',';
            depth += c is '[' or '{' ? 1 : c is ']' or '}' ? -1 : 0;
            if (i == text.Length || (c == ',' && depth <= 0))
            {
                if (text[start..i].Trim() is { Length: > 0 } part)
                {
                    yield return part;
                }
                start = i + 1;
            }
        }
    }

    /// <summary>A JSON value; any other text is a string.</summary>
    private static JsonNode? Value(string text, string field)
    {
        try
        {
            return StrictJson.ParseNode(text);
        }
        catch (JsonException)
        {
            // A list of names without quotes is a common mistake; read as a string it would be a regular expression for one character.
            return text.StartsWith('[') || text.StartsWith('{')
                ? throw new BadInputException(
                $"the field {field} is {text}, which is no JSON; write texts in double quotes, such as [\"q_proj\",\"v_proj\"]") : text;
        }
    }
}
