using PeftCore.Models;

namespace PeftCore.Peft.Lora;

/// <summary>Refuses values no LoRA can have, and options that exclude each other.</summary>
internal static class LoraChecks
{
    public static void Check(LoraConfig config)
    {
        string? problem = config switch
        {
            { Rank: < 1 } => $"the rank is {config.Rank}; it must be at least 1",
            { Dropout: not (>= 0 and < 1) } => $"lora_dropout is {config.Dropout}; it must be at least 0 and below 1",
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

    /// <summary>Refuses a saved token table on which the initialisation's directions were taken out: whether it holds the rest or the whole
    /// cannot be told, unless it is the base's own.</summary>
    public static void CheckTables(LoraConfig config, CausalModel model, AdapterWeights stored)
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

/// <summary>Properties of initialisations.</summary>
internal static class LoraInits
{
    extension(LoraInit init)
    {
        /// <summary>Whether the initial factors are taken out of the base weight.</summary>
        public bool ChangesBase => init is LoraInit.Pissa or LoraInit.Olora or LoraInit.Corda or LoraInit.LoraGa;

        /// <summary>Whether the initial factors come from data, so that they cannot be found again from the base alone.</summary>
        public bool NeedsData => init is LoraInit.Eva or LoraInit.Corda or LoraInit.LoraGa;
    }
}
