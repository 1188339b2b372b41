using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Lora;

/// <summary>The objects of an adapter_config.json that belong to one initialisation each. What has a meaning here is read; all is kept for the next file, because
/// other programs look at more.</summary>
internal static class LoraStartFields
{
    private const string Eva = "eva_config", Corda = "corda_config", LoraGa = "lora_ga_config", Loftq = "loftq_config";

    /// <summary>The names of directions in a file, in the order of <see cref="LoraGaDirection"/>.</summary>
    private static readonly string[] Directions = ["ArB2r", "A2rBr", "ArBr", "random"];

    /// <summary>The names of scales in a file, in the order of <see cref="LoraGaScale"/>.</summary>
    private static readonly string[] Scales = ["stable", "weight_svd", "gd_scale", "unit"];

    public static Calibration Calibration(ConfigReader config)
    {
        var usual = new Calibration();
        var (eva, corda, ga) = (config.ObjectOrNull(Eva), config.ObjectOrNull(Corda), config.ObjectOrNull(LoraGa));
        return new Calibration
        {
            Rho = eva?.Float("rho", usual.Rho, min: 1) ?? usual.Rho,
            Whiten = eva?.Bool("whiten", usual.Whiten) ?? usual.Whiten,
            UseLabelMask = eva?.Bool("use_label_mask", usual.UseLabelMask) ?? usual.UseLabelMask,
            AdjustScaling = eva?.Bool("adjust_scaling_factors", usual.AdjustScaling) ?? usual.AdjustScaling,
            KeepKnowledge = corda?.Choice("corda_method", "ipm", "ipm", "kpm") == "kpm",
            Direction = (LoraGaDirection)Array.IndexOf(Directions, ga?.Choice("direction", Directions[0], Directions) ?? Directions[0]),
            Scale = (LoraGaScale)Array.IndexOf(Scales, ga?.Choice("scale", Scales[0], Scales) ?? Scales[0]),
            StableGamma = ga?.Float("stable_gamma", usual.StableGamma, min: 1e-6) ?? usual.StableGamma,
        };
    }

    public static int LoftqIterations(ConfigReader config)
    {
        if (config.ObjectOrNull(Loftq) is not { } loftq)
        {
            return 1;
        }
        if (LoraConfigFields.Init(config) == LoraInit.Loftq && loftq.Int("loftq_bits", 4) is not 4 and var bits)
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
