using PeftCore.Io;
using PeftCore.Peft.AdaLora;
using PeftCore.Peft.Boft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.C3a;
using PeftCore.Peft.FourierFt;
using PeftCore.Peft.Hra;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.LoHa;
using PeftCore.Peft.LoKr;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Miss;
using PeftCore.Peft.Oft;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.RandLora;
using PeftCore.Peft.Selective;
using PeftCore.Peft.Shira;
using PeftCore.Peft.Sparse;
using PeftCore.Peft.VbLora;
using PeftCore.Peft.Vera;

namespace PeftCore.Peft;

/// <summary>The registered methods: a new one is a config, a layer, and a line here.</summary>
internal static class PeftMethods
{
    private static readonly Dictionary<string, PeftMethod> Methods = new(StringComparer.Ordinal)
    {
        ["LORA"] = new("lora", LoraConfig.Read),
        ["IA3"] = new("ia3", Ia3Config.Read),
        ["LN_TUNING"] = new("ln_tuning", LnTuningConfig.Read),
        ["TRAINABLE_TOKENS"] = new("trainable_tokens", TrainableTokensConfig.Read),
        ["PROMPT_TUNING"] = new("prompt_tuning", PromptTuningConfig.Read),
        ["MULTITASK_PROMPT_TUNING"] = new("multitask_prompt_tuning", MultitaskPromptTuningConfig.Read),
        ["P_TUNING"] = new("p_tuning", PTuningConfig.Read),
        ["BOTTLENECK"] = new("bottleneck", BottleneckFields.Read),
        ["SPARSE"] = new("sparse", SparseConfig.Read),
        ["LAST_LAYERS"] = new("last_layers", LastLayersConfig.Read),
        ["HEAD"] = new("head", HeadConfig.Read),
        ["BITFIT"] = new("bitfit", BitFitConfig.Read),
        ["PREFIX_TUNING"] = new("prefix_tuning", PrefixTuningConfig.Read),
        ["ADALORA"] = new("adalora", AdaLoraConfig.Read),
        ["VERA"] = new("vera", VeraConfig.Read),
        ["LOHA"] = new("loha", LoHaConfig.Read),
        ["LOKR"] = new("lokr", LoKrConfig.Read),
        ["OFT"] = new("oft", OftConfig.Read),
        ["BOFT"] = new("boft", BoftConfig.Read),
        ["HRA"] = new("hra", HraConfig.Read),
        ["SHIRA"] = new("shira", ShiraConfig.Read),
        ["FOURIERFT"] = new("fourierft", FourierFtConfig.Read),
        ["VBLORA"] = new("vblora", VbLoraConfig.Read),
        ["RANDLORA"] = new("randlora", RandLoraConfig.Read),
        ["C3A"] = new("c3a", C3aConfig.Read),
        ["MISS"] = new("miss", MissConfig.Read),
    };

    public static IEnumerable<string> Names => Methods.Values.Select(method => method.Name);

    /// <summary>Their names in files.</summary>
    public static IEnumerable<string> Types => Methods.Keys;

    /// <summary>The name in files of the method that is called so on the command line.</summary>
    /// <exception cref="BadInputException">There is none.</exception>
    public static string TypeOf(string name) => Methods.FirstOrDefault(method => method.Value.Name == name).Key
        ?? throw new BadInputException($"there is no method \"{name}\"; there are {string.Join(", ", Names)}");

    public static PeftMethod Get(ConfigReader config)
    {
        string type = config.String("peft_type");
        return Methods.TryGetValue(type, out var method)
            ? method
            : throw config.Error("peft_type",
                Methods.Keys.FirstOrDefault(known => known.Equals(type, StringComparison.OrdinalIgnoreCase)) is { } meant
                ? $"is \"{type}\", and is written {meant}"
                : $"is \"{type}\", which is not supported; supported are {string.Join(", ", Methods.Keys)}");
    }
}

/// <summary>One method.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Read">Reads its configuration.</param>
internal sealed record PeftMethod(string Name, Func<ConfigReader, PeftConfig> Read);
