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

/// <summary>The PEFT methods by peft_type. A new method is a configuration, a layer adapter, and a line here; an external method calls
/// <see cref="Register"/>.</summary>
public static class PeftMethods
{
    private static readonly Lock Registering = new();

    // The dictionary is replaced, never changed, so that readers need no lock.
    private static volatile OrderedDictionary<string, PeftMethod> _methods = new(StringComparer.Ordinal)
    {
        ["LORA"] = PeftMethod.Of("lora", LoraConfig.Fields),
        ["IA3"] = PeftMethod.Of("ia3", Ia3Config.Fields),
        ["LN_TUNING"] = PeftMethod.Of("ln_tuning", LnTuningConfig.Fields),
        ["TRAINABLE_TOKENS"] = PeftMethod.Of("trainable_tokens", TrainableTokensConfig.Fields),
        ["PROMPT_TUNING"] = PeftMethod.Of("prompt_tuning", PromptTuningConfig.Fields),
        ["MULTITASK_PROMPT_TUNING"] = PeftMethod.Of("multitask_prompt_tuning", MultitaskPromptTuningConfig.Fields),
        ["P_TUNING"] = PeftMethod.Of("p_tuning", PTuningConfig.Fields),
        ["BOTTLENECK"] = PeftMethod.Of("bottleneck", BottleneckConfig.Fields),
        ["SPARSE"] = PeftMethod.Of("sparse", SparseConfig.Fields),
        ["LAST_LAYERS"] = PeftMethod.Of("last_layers", LastLayersConfig.Fields),
        ["FULL"] = PeftMethod.Of("full", FullConfig.Fields),
        ["HEAD"] = PeftMethod.Of("head", HeadConfig.Fields),
        ["BITFIT"] = PeftMethod.Of("bitfit", BitFitConfig.Fields),
        ["PREFIX_TUNING"] = PeftMethod.Of("prefix_tuning", PrefixTuningConfig.Fields),
        ["ADALORA"] = PeftMethod.Of("adalora", AdaLoraConfig.Fields),
        ["VERA"] = PeftMethod.Of("vera", VeraConfig.Fields),
        ["LOHA"] = PeftMethod.Of("loha", LoHaConfig.Fields),
        ["LOKR"] = PeftMethod.Of("lokr", LoKrConfig.Fields),
        ["OFT"] = PeftMethod.Of("oft", OftConfig.Fields),
        ["BOFT"] = PeftMethod.Of("boft", BoftConfig.Fields),
        ["HRA"] = PeftMethod.Of("hra", HraConfig.Fields),
        ["SHIRA"] = PeftMethod.Of("shira", ShiraConfig.Fields),
        ["FOURIERFT"] = PeftMethod.Of("fourierft", FourierFtConfig.Fields),
        ["VBLORA"] = PeftMethod.Of("vblora", VbLoraConfig.Fields),
        ["RANDLORA"] = PeftMethod.Of("randlora", RandLoraConfig.Fields),
        ["C3A"] = PeftMethod.Of("c3a", C3aConfig.Fields),
        ["MISS"] = PeftMethod.Of("miss", MissConfig.Fields),
    };

    internal static IEnumerable<string> Names => _methods.Values.Select(method => method.Name);

    /// <summary>The peft_type of all methods.</summary>
    internal static IEnumerable<string> Types => _methods.Keys;

    /// <summary>Adds a method, so that its adapters are attached, saved, loaded and merged, and so that the command line has it under its
    /// type in small letters.</summary>
    /// <param name="peftType">Its name in adapter_config.json, such as "LORA": capital letters, digits and underscores.</param>
    /// <param name="fields">The fields of its configuration; reading, writing, checks and command line follow from them.</param>
    /// <exception cref="ArgumentException">The name has other characters, or the method or the configuration is there already.
    /// </exception>
    public static void Register<TConfig>(string peftType, ConfigFields<TConfig> fields) where TConfig : PeftConfig
    {
        ArgumentNullException.ThrowIfNull(fields);
        ArgumentException.ThrowIfNullOrEmpty(peftType);
        if (!peftType.All(c => c is >= 'A' and <= 'Z' or >= '0' and <= '9' or '_'))
        {
            throw new ArgumentException($"\"{peftType}\" is no peft_type: it has capital letters, digits and underscores",
                nameof(peftType));
        }
        lock (Registering)
        {
            var methods = new OrderedDictionary<string, PeftMethod>(_methods, StringComparer.Ordinal);
            if (!methods.TryAdd(peftType, PeftMethod.Of(peftType.ToLowerInvariant(), fields)))
            {
                throw new ArgumentException($"the method {peftType} is registered already", nameof(peftType));
            }
            if (_methods.Values.Any(method => method.Config == typeof(TConfig)))
            {
                throw new ArgumentException($"{typeof(TConfig).Name} is registered already, as {TypeOf(typeof(TConfig))}", nameof(fields));
            }
            _methods = methods;
        }
    }

    /// <summary>The peft_type under which a configuration is registered.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    internal static string TypeOf(PeftConfig config) => TypeOf(config.GetType());

    /// <summary>The fields of a configuration with their values.</summary>
    internal static ConfigValues ValuesOf(PeftConfig config) => _methods[TypeOf(config)].Values(config);

    private static string TypeOf(Type config) => _methods.FirstOrDefault(method => method.Value.Config == config).Key
        ?? throw new ArgumentException($"{config.Name} is not registered; call PeftMethods.Register first", nameof(config));

    /// <summary>The peft_type of the method with this name on the command line.</summary>
    internal static string TypeOf(string name) => _methods.FirstOrDefault(method => method.Value.Name == name).Key
        ?? throw new BadInputException($"there is no method \"{name}\"; there are {string.Join(", ", Names)}");

    /// <summary>The method with this name on the command line.</summary>
    /// <exception cref="BadInputException">The method is unknown.</exception>
    internal static PeftMethod Named(string name) => _methods[TypeOf(name)];

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
/// <param name="Config">The type of its configuration.</param>
/// <param name="Read">Reads its configuration.</param>
/// <param name="Fields">What its configuration holds.</param>
/// <param name="Values">The values that a configuration has in these fields.</param>
internal sealed record PeftMethod(string Name, Type Config, Func<ConfigReader, PeftConfig> Read, IReadOnlyList<ConfigField> Fields,
    Func<PeftConfig, ConfigValues> Values)
{
    /// <summary>The method of a type of configurations. The registry finds a method by its configuration's type, so the cast in
    /// <see cref="Values"/> holds.</summary>
    public static PeftMethod Of<T>(string name, ConfigFields<T> fields)
        where T : PeftConfig => new(name, typeof(T), fields.Read, fields.All, config => fields.Of((T)config));
}
