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

/// <summary>The PEFT methods by peft_type. A new method is a configuration, a layer, and a line here; one from outside calls
/// <see cref="Register"/>.</summary>
public static class PeftMethods
{
    private static readonly Lock Registering = new();

    // Replaced as a whole, so that readers need no lock.
    private static volatile OrderedDictionary<string, PeftMethod> _methods = new(StringComparer.Ordinal)
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

    internal static IEnumerable<string> Names => _methods.Values.Select(method => method.Name);

    /// <summary>Their peft_type in adapter_config.json.</summary>
    internal static IEnumerable<string> Types => _methods.Keys;

    /// <summary>Adds a method, so that its adapters are attached, saved, loaded and merged, and so that the command line has it under its
    /// type in small letters.</summary>
    /// <param name="peftType">Its name in adapter_config.json, such as "LORA": capital letters, digits and underscores.</param>
    /// <param name="read">Reads its configuration from such a file; absent fields have defaults.</param>
    /// <exception cref="ArgumentException">The name has other characters, or the method is there already.</exception>
    public static void Register(string peftType, Func<ConfigReader, PeftConfig> read)
    {
        ArgumentException.ThrowIfNullOrEmpty(peftType);
        if (!peftType.All(c => c is >= 'A' and <= 'Z' or >= '0' and <= '9' or '_'))
        {
            throw new ArgumentException($"\"{peftType}\" is no peft_type: it has capital letters, digits and underscores", nameof(peftType));
        }
        lock (Registering)
        {
            var methods = new OrderedDictionary<string, PeftMethod>(_methods, StringComparer.Ordinal);
            if (!methods.TryAdd(peftType, new PeftMethod(peftType.ToLowerInvariant(), read)))
            {
                throw new ArgumentException($"the method {peftType} is registered already", nameof(peftType));
            }
            _methods = methods;
        }
    }

    /// <summary>The peft_type of the method with this name on the command line.</summary>
    internal static string TypeOf(string name) => _methods.FirstOrDefault(method => method.Value.Name == name).Key
        ?? throw new BadInputException($"there is no method \"{name}\"; there are {string.Join(", ", Names)}");

    internal static PeftMethod Get(ConfigReader config)
    {
        string type = config.String("peft_type");
        return _methods.TryGetValue(type, out var method)
            ? method
            : throw config.Error("peft_type",
                _methods.Keys.FirstOrDefault(known => known.Equals(type, StringComparison.OrdinalIgnoreCase)) is { } meant
                ? $"is \"{type}\", and is written {meant}"
                : $"is \"{type}\", which is not supported; supported are {string.Join(", ", _methods.Keys)}");
    }
}

/// <summary>One method.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Read">Reads its configuration.</param>
internal sealed record PeftMethod(string Name, Func<ConfigReader, PeftConfig> Read);
