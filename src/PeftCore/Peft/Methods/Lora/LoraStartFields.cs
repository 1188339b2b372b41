using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>The objects of an adapter_config.json that belong to one initialisation each. What has a meaning here is read; all is kept for
/// the next file, because other programs look at more.</summary>
internal static class LoraStartFields
{
    private const string Eva = "eva_config", Corda = "corda_config", LoraGa = "lora_ga_config", Loftq = "loftq_config";

    /// <summary>The names of directions in a file, in the order of <see cref="LoraGaDirection"/>.</summary>
    private static readonly string[] Directions = ["ArB2r", "A2rBr", "ArBr", "random"];

    /// <summary>The names of scales in a file, in the order of <see cref="LoraGaScale"/>.</summary>
    private static readonly string[] Scales = ["stable", "weight_svd", "gd_scale", "unit"];

    /// <summary>The settings of a file, and what is wrong with those of the initialisation it names; those of others may be wrong, nobody
    /// reads them.</summary>
    public static (Calibration Settings, int LoftqIterations, string? Problem) Read(ConfigReader config, LoraInit init)
    {
        string? problem = null;
        var settings = new Calibration();
        int iterations = 1;
        Try(LoraInit.Eva, () =>
        {
            if (config.ObjectOrNull(Eva) is { } eva)
            {
                settings = settings with
                {
                    Rho = eva.Float("rho", settings.Rho, min: 1),
                    Whiten = eva.Bool("whiten", settings.Whiten),
                    UseLabelMask = eva.Bool("use_label_mask", settings.UseLabelMask),
                    AdjustScaling = eva.Bool("adjust_scaling_factors", settings.AdjustScaling),
                };
            }
        });
        Try(LoraInit.Corda, () => settings = settings with
        {
            KeepKnowledge = config.ObjectOrNull(Corda)?.Choice("corda_method", "ipm",
            "ipm", "kpm") == "kpm"
        });
        Try(LoraInit.LoraGa, () =>
        {
            if (config.ObjectOrNull(LoraGa) is { } ga)
            {
                settings = settings with
                {
                    Direction = (LoraGaDirection)Array.IndexOf(Directions, ga.Choice("direction", Directions[0], Directions)),
                    Scale = (LoraGaScale)Array.IndexOf(Scales, ga.Choice("scale", Scales[0], Scales)),
                    StableGamma = ga.Float("stable_gamma", settings.StableGamma, min: 1e-6),
                };
            }
        });
        Try(LoraInit.Loftq, () => iterations = LoftqIterations(config, init));
        return (settings, iterations, problem);

        void Try(LoraInit own, Action read)
        {
            try
            {
                read();
            }
            catch (BadInputException) when (own != init)
            {
            }
            catch (BadInputException e) when (own == LoraInit.Eva)
            {
                problem = e.Message.Replace(config.Source + ": ", "", StringComparison.Ordinal).TrimEnd('.');
            }
        }
    }

    private static int LoftqIterations(ConfigReader config, LoraInit init)
    {
        if (config.ObjectOrNull(Loftq) is not { } loftq)
        {
            return 1;
        }
        if (init == LoraInit.Loftq && loftq.Int("loftq_bits", 4) is not 4 and var bits)
        {
            throw loftq.Error("loftq_bits", $"is {bits}; weights are rounded to NF4 here, which has 4 bits");
        }
        return loftq.Int("loftq_iter", 1, min: 1);
    }

    /// <summary>The objects as they stand in a file; null if there are none.</summary>
    public static JsonObject? Keep(ConfigReader config)
    {
        var kept = new JsonObject();
        foreach (string name in (ReadOnlySpan<string>)[Eva, Corda, LoraGa, Loftq])
        {
            if (config.Raw(name) is { ValueKind: JsonValueKind.Object } value)
            {
                kept[name] = JsonObject.Create(value.Clone());
            }
        }
        return kept.Count > 0 ? kept : null;
    }

    public static void Write(LoraConfig config, JsonObject json)
    {
        var settings = config.Calibration;
        Write(Eva, LoraInit.Eva, fields =>
        {
            fields["rho"] = PeftConfig.Float(settings.Rho);
            fields["whiten"] = settings.Whiten;
            fields["use_label_mask"] = settings.UseLabelMask;
            fields["adjust_scaling_factors"] = settings.AdjustScaling;
        });
        Write(Corda, LoraInit.Corda, fields => fields["corda_method"] = settings.KeepKnowledge ? "kpm" : "ipm");
        Write(LoraGa, LoraInit.LoraGa, fields =>
        {
            fields["direction"] = Directions[(int)settings.Direction];
            fields["scale"] = Scales[(int)settings.Scale];
            fields["stable_gamma"] = ConfigFields.Number(settings.StableGamma);
        });
        Write(Loftq, LoraInit.Loftq, fields =>
        {
            fields["loftq_bits"] = 4;
            fields["loftq_iter"] = config.LoftqIterations;
        });
        json[Loftq] ??= new JsonObject();

        void Write(string name, LoraInit init, Action<JsonObject> fill)
        {
            var fields = config.StartFields?[name]?.DeepClone().AsObject();
            if (config.Init == init)
            {
                fill(fields ??= []);
            }
            json[name] = fields;
        }
    }
}
