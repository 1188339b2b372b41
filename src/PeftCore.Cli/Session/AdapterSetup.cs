using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Cli.Session;

/// <summary>From flags to the configuration of an adapter. LoRA has flags of its own; any method takes fields of its configuration with
/// --method-options.</summary>
internal static class AdapterSetup
{
    public static PeftConfig ConfigOf(TrainOptions options)
    {
        var fields = Fields(options.MethodOptions);
        if (options.Method == "lora")
        {
            return fields.Count == 0 ? Lora(options)
                : throw new BadInputException("--method-options is for methods without flags of their own; LoRA has --lora-r, --lora-alpha and so on");
        }
        fields["task_type"] ??= "CAUSAL_LM";
        fields["base_model_name_or_path"] ??= options.Model;
        if (options.TargetModules is { } targets)
        {
            var selector = ModuleSelector.Parse(targets);
            fields["target_modules"] ??= selector.Names is { } names ? Strings(names) : selector.Pattern;
        }
        if (options.ModulesToSave is { } saved)
        {
            fields["modules_to_save"] ??= Strings(Split(saved));
        }
        return PeftConfig.Create(options.Method, fields);
    }

    private static LoraConfig Lora(TrainOptions options) => new()
    {
        Rank = options.LoraR,
        Alpha = options.LoraAlpha,
        Dropout = options.LoraDropout,
        TargetModules = options.TargetModules is { } targets ? ModuleSelector.Parse(targets) : null,
        ModulesToSave = options.ModulesToSave is { } saved ? Split(saved) : null,
        Bias = options.Bias,
        UseRsLora = options.UseRslora,
        UseDora = options.UseDora,
        Init = LoraConfig.ParseInit(options.InitLoraWeights),
        BaseModelNameOrPath = options.Model,
    };

    /// <summary>Fields from "a=1,b=text,c=[1,2]" or a JSON object.</summary>
    private static JsonObject Fields(string? text)
    {
        if (text is null)
        {
            return [];
        }
        try
        {
            if (text.TrimStart().StartsWith('{'))
            {
                return JsonNode.Parse(text)!.AsObject();
            }
        }
        catch (JsonException e)
        {
            throw new BadInputException($"--method-options is no JSON object: {e.Message}", e);
        }
        var fields = new JsonObject();
        foreach (string part in Split(text))
        {
            string[] pair = part.Split('=', 2, StringSplitOptions.TrimEntries);
            fields[pair[0]] = pair.Length == 2 ? Value(pair[1])
                : throw new BadInputException($"--method-options: \"{part}\" is no name=value; write fields with commas between, such as r=16,alpha=32, or a JSON object");
        }
        return fields;
    }

    private static JsonNode? Value(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static JsonArray Strings(IEnumerable<string> values) => [.. values.Select(value => JsonValue.Create(value))];

    private static string[] Split(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
