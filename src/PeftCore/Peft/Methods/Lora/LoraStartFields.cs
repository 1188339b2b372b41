using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>The objects of an adapter_config.json that configure one initialisation each. Supported fields are read; the whole object is
/// preserved when the configuration is saved, because other programs read more of it.</summary>
internal static class LoraStartFields
{
    public static FieldRow<LoraConfig> Eva { get; } = Of("eva_config", LoraInit.Eva, "Settings of EVA (init_lora_weights eva).",
        new ConfigFields<Calibration>(new())
            .Float("rho", c => c.Rho, (c, v) => c with { Rho = v }, "ρ: a layer may have up to ρ·r directions.", min: 1)
            .Bool("whiten", c => c.Whiten, (c, v) => c with { Whiten = v },
                "Divide each component by the square root of its singular value.")
            .Bool("use_label_mask", c => c.UseLabelMask, (c, v) => c with { UseLabelMask = v },
                "Look only at tokens that are learned, not at those whose labels are masked.")
            .Bool("adjust_scaling_factors", c => c.AdjustScaling, (c, v) => c with { AdjustScaling = v },
                "Give a layer α in proportion to its new rank, so that all layers keep one scale."),
        c => c.Calibration, (c, v) => c with { Calibration = v });

    public static FieldRow<LoraConfig> Corda { get; } = Of("corda_config", LoraInit.Corda, "Settings of CorDA (init_lora_weights corda).",
        new ConfigFields<Calibration>(new())
            .Choice("corda_method", c => c.KeepKnowledge, (c, v) => c with { KeepKnowledge = v },
                "Directions to train: ipm those the data uses most, kpm those it uses least, which keeps what the base knows.",
                ("ipm", false), ("kpm", true)),
        c => c.Calibration, (c, v) => c with { Calibration = v });

    public static FieldRow<LoraConfig> LoraGa { get; } = Of("lora_ga_config", LoraInit.LoraGa,
        "Settings of LoRA-GA (init_lora_weights lora_ga).",
        new ConfigFields<Calibration>(new())
            .Choice("direction", c => c.Direction, (c, v) => c with { Direction = v },
                "Which of the 2r leading singular directions of the gradient A and B start at.",
                ("ArB2r", LoraGaDirection.ArB2r), ("A2rBr", LoraGaDirection.A2rBr), ("ArBr", LoraGaDirection.ArBr),
                ("random", LoraGaDirection.Random))
            .Choice("scale", c => c.Scale, (c, v) => c with { Scale = v }, "Length of the initial A and B.",
                ("stable", LoraGaScale.Stable), ("weight_svd", LoraGaScale.WeightSvd), ("gd_scale", LoraGaScale.GdScale),
                ("unit", LoraGaScale.Unit))
            .Number("stable_gamma", c => c.StableGamma, (c, v) => c with { StableGamma = v },
                "γ of the scale stable: B starts at out^¼/√γ times its directions.", min: 1e-6),
        c => c.Calibration, (c, v) => c with { Calibration = v });

    public static FieldRow<LoraConfig> Loftq { get; } = Of("loftq_config", LoraInit.Loftq,
        "Settings of LoftQ (init_lora_weights loftq).",
        new ConfigFields<LoraConfig>(new())
            .Add(new("loftq_bits", "only 4", "Bits of a rounded weight; NF4 has 4.",
                (c, reader) => c.Init == LoraInit.Loftq && reader.Int("loftq_bits", 4) is not 4 and var bits
                    ? throw reader.Error("loftq_bits", $"is {bits}; weights are rounded to NF4 here, which has 4 bits") : c, _ => 4))
            .Int("loftq_iter", c => c.LoftqIterations, (c, v) => c with { LoftqIterations = v },
                "Rounds of rounding the weight and factoring what that loses.", min: 1),
        c => c, (_, v) => v, whenAbsent: () => []);

    /// <summary>The row of one object. Its values are checked only if <paramref name="init"/> is the initialisation of the file; those of
    /// other initialisations are never used.</summary>
    private static FieldRow<LoraConfig> Of<T>(string name, LoraInit init, string help, ConfigFields<T> fields, Func<LoraConfig, T> get,
        Func<LoraConfig, T, LoraConfig> set, Func<JsonObject?>? whenAbsent = null)
        where T : class => new(name, "object or null", help,
            (config, reader) =>
            {
                var kept = Keep(config, reader, name);
                try
                {
                    return reader.ObjectOrNull(name) is { } settings ? set(kept, fields.Read(settings, get(kept))) : kept;
                }
                catch (BadInputException) when (init != config.Init)
                {
                    return kept;
                }
                // A trained EVA adapter does not depend on how it was initialised, so only a new one is refused.
                catch (BadInputException e) when (init == LoraInit.Eva)
                {
                    return kept with
                    {
                        StartProblem = e.Message.Replace(reader.Source + ": ", "", StringComparison.Ordinal).TrimEnd('.'),
                    };
                }
            },
            config =>
            {
                var json = config.StartFields?[name]?.DeepClone().AsObject() ?? whenAbsent?.Invoke();
                if (config.Init == init)
                {
                    fields.Of(get(config)).WriteTo(json ??= []);
                }
                return json;
            })
        {
            Parts = [.. fields.All.Select(part => new ConfigField($"{name}.{part.Name}", part.Expected, part.Default, part.Help))],
            Problem = config => config.Init == init ? fields.Of(get(config)).Problem : null,
        };

    /// <summary>Returns the configuration with the object of the file, unchanged.</summary>
    private static LoraConfig Keep(LoraConfig config, ConfigReader reader, string name)
    {
        if (reader.Raw(name) is not { ValueKind: JsonValueKind.Object } value)
        {
            return config;
        }
        var kept = config.StartFields?.DeepClone().AsObject() ?? [];
        kept[name] = JsonObject.Create(value.Clone());
        return config with { StartFields = kept };
    }
}
