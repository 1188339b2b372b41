using PeftCore.Models;

namespace PeftCore.Peft.Lora;

/// <summary>Checks of LoRA's options: throws for options that exclude each other, and for ranks and scales that do not fit a
/// layer.</summary>
internal static class LoraChecks
{
    public static void Check(LoraConfig config)
    {
        string? problem = config switch
        {
            { LoraBias: true, UseDora: true } => "lora_bias and use_dora exclude each other; choose one",
            { LoraBias: true, Init.ChangesBase: true } =>
                "lora_bias works with the initialisations true, false and gaussian only; choose one of these or turn lora_bias off",
            { TrainableTokens: { Count: > 1 } tokens } when tokens.ContainsKey("") =>
                "trainable_token_indices: the empty name stands for the input embedding and must stand alone; name the embeddings",
            _ when config.RankPattern.DistinctBy(pattern => pattern.Key).Count() < config.RankPattern.Count ||
                config.AlphaPattern.DistinctBy(pattern => pattern.Key).Count() < config.AlphaPattern.Count =>
                "rank_pattern and alpha_pattern must have each pattern once",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException(problem);
        }
    }

    /// <summary>Throws if the initialisation needs data that are missing: in a new adapter without calibration, and in a file whose initial
    /// factors exist only in the run that created it.</summary>
    public static void CheckData(AttachContext context, LoraConfig config)
    {
        if (config.Init.NeedsData && context.Factors is null && !context.ShapesOnly && (context.IsNew || config.Init.ChangesBase))
        {
            throw new BadInputException(context.IsNew
                ? $"init_lora_weights is {LoraConfigFields.ToJson(config.Init)}, which needs data: use AddCalibratedAdapter"
                : $"init_lora_weights is {LoraConfigFields.ToJson(config.Init)}: such a file fits only the base that its run changed; " +
                "save it as a plain LoRA where it was trained, or convert it with the adapter as it was before training (peftcore " +
                "convert --initial-adapter)");
        }
    }

    /// <summary>r of a layer. A new adapter's rank is at most the layer's smaller side, because a larger rank has no effect; files of other
    /// programs may exceed it, unless the initial factors are subtracted from the weight.</summary>
    public static int RankOf(AttachContext context, LoraConfig config, string path, int largest)
    {
        int rank = TargetMatching.Lookup(config.RankPattern, path, config.Rank, "rank_pattern");
        if (rank < 1)
        {
            throw new BadInputException($"rank {rank} of \"{path}\" is no rank; choose one of at least 1");
        }
        return rank <= largest || !(context.IsNew || config.Init.ChangesBase) ? rank
            : throw new BadInputException(
            $"rank {rank} is above the size of \"{path}\", whose smaller side is {largest}; choose a rank of at most {largest}");
    }

    /// <summary>s of a layer: α/r, or α/√r in rsLoRA.</summary>
    public static float ScaleOf(LoraConfig config, string path, int rank)
    {
        double alpha = TargetMatching.Lookup(config.AlphaPattern, path, config.Alpha, "alpha_pattern");
        float scale = (float)(config.UseRsLora ? alpha / Math.Sqrt(rank) : alpha / rank);
        if (!float.IsFinite(scale) || (config.Init.ChangesBase && scale <= 0))
        {
            throw new BadInputException(
                $"lora_alpha is {alpha} for \"{path}\"; it must be {(config.Init.ChangesBase ? "a number above 0, because this " +
                "initialisation divides by it" : "a finite number")}");
        }
        return scale;
    }

    /// <summary>Throws if the file holds a token table and the initialisation subtracts directions from it: the file does not tell whether
    /// its table contains them, unless it equals the base's.</summary>
    public static void CheckTables(LoraConfig config, TransformerModel model, AdapterWeights stored)
    {
        foreach (var (path, module) in config.Init.ChangesBase ? AdapterTables.Of(model) : [])
        {
            string key = AdapterParameter.Prefix + path;
            if (stored.TryGet(key + ".lora_A.weight", out _) && (stored.TryGet(key + ".base_layer.weight", out var table)
                || stored.TryGet(key + ".weight", out table))
                && !AdapterValues.Equals(table, module.OwnParameter("weight")!.Value))
            {
                throw table.Error(
                    $"is a weight that {config.InitName} takes directions out of, and differs from the base's; whether they are out " +
                    "already cannot be told: save the adapter without it");
            }
        }
    }
}
