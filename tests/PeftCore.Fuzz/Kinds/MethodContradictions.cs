using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Contradictions in the fields of single methods.</summary>
internal static class MethodContradictions
{
    public static IReadOnlyList<AdapterRule> Rules { get; } =
    [
        new("another rank", ["LORA", "LOHA", "HRA", "VERA", "MISS", "RANDLORA"], Rank("r")),
        new("another first rank", ["ADALORA"], Rank("init_r")),
        new("a rank pattern that the tensors contradict", ["LORA", "LOHA"], (random, adapter) =>
        {
            if (adapter.Config["target_modules"] is not { Items: { Count: > 0 } targets } || adapter.Name is "lora_patterns")
            {
                return null;
            }
            adapter.Config.Set("rank_pattern", $"{{{random.Pick(targets)}: {random.Pick("3", "16", "0", "-1", "\"4\"", "null", "2.5")}}}");
            return Claim.Impossible;
        }),
        new("DoRA without magnitudes, or magnitudes without DoRA", ["LORA"], Flip("use_dora")),
        new("LoRA biases that are not in the file", ["LORA"], Flip("lora_bias")),
        new("an alpha that is no number", ["LORA", "ADALORA"], AdapterContradictions.Impossible("lora_alpha", "\"8\"", "true", "[8]",
            "1e999", "\"0,5\"")),
        new("a dropout that is none", ["LORA", "ADALORA"], AdapterContradictions.Impossible("lora_dropout", "1.5", "-0.1", "\"0.1\"",
            "true", "\"0,1\"", "1")),
        .. new[]
        {
            ("layer_replication", "[[0, 2], [1, 2]]"), ("use_qalora", "true"), ("alora_invocation_tokens", "[1, 2]"),
            ("target_parameters", "[\"mlp.experts.gate_up_proj\"]"),
            ("megatron_config", "{\"a\": 1}"), ("use_bdlora", "{\"nblocks\": 2}"), ("arrow_config", "{\"top_k\": 2}"),
            ("velora_config", "{\"r\": 2}"), ("monteclora_config", "{\"a\": 1}"), ("kasa_config", "{\"a\": 1}"),
        }.Select(f => new AdapterRule($"{f.Item1}, which is not supported", ["LORA", "ADALORA"],
            AdapterContradictions.Set(f.Item1, f.Item2))),
        new("trained tokens that the tensors contradict", ["LORA"], Tokens("lora_trainable_tokens", "trainable_token_indices")),
        new("trained tokens that the tensors contradict", ["TRAINABLE_TOKENS"], Tokens("trainable_tokens", "token_indices")),
        new("a schedule without room", ["ADALORA"], (random, adapter) =>
        {
            adapter.Config.Set("total_step", random.Pick("2", "3", "1", "0", "-4"));
            return Claim.About("total_step", "tinit", "tfinal");
        }),
        new("feed-forward layers that are no targets", ["IA3"], AdapterContradictions.Set("feedforward_modules", "[\"gate_proj\"]",
            "[\"nothing\"]", "[\"down_proj\", \"up_proj\"]", "7")),
        new("a rank beside a block size", ["OFT"], Pair("r", "oft_block_size", "4", "8")),
        new("blocks that do not divide the layer", ["OFT"], AdapterContradictions.Impossible("oft_block_size", "5", "-8", "0", "64",
            "\"8\"", "4")),
        new("a number of blocks beside a block size", ["BOFT"], Pair("boft_block_num", "boft_block_size", "8", "4")),
        new("blocks that do not divide the layer", ["BOFT"], AdapterContradictions.Impossible("boft_block_size", "5", "-4", "3", "64",
            "\"4\"")),
        new("more chosen vectors than there are", ["VBLORA"], AdapterContradictions.Impossible("topk", "11", "0", "-2", "\"2\"")),
        new("vectors that do not divide the layer", ["VBLORA"], AdapterContradictions.Impossible("vector_length", "5", "64", "0", "7")),
        new("another number of frequencies", ["FOURIERFT"], AdapterContradictions.Impossible("n_frequency", "19", "21", "0", "-20",
            "\"20\"", "100000000")),
        new("another block size", ["C3A"], AdapterContradictions.Impossible("block_size", "5", "16", "0", "-8", "\"8\"")),
        new("a mask that has no name", ["SHIRA"], AdapterContradictions.Impossible("mask_type", "7", "[\"random\"]", "true")),
        new("another kind of network", ["P_TUNING"], AdapterContradictions.Impossible("encoder_reparameterization_type", "\"GRU\"", "7",
            "\"\"")),
    ];

    private static Func<FuzzRandom, AdapterSample, Claim?> Rank(string field) =>
        AdapterContradictions.Impossible(field, "3", "5", "16", "0", "-4", "4.5", "\"4\"", "true", "1000000", "[4]");

    private static Func<FuzzRandom, AdapterSample, Claim?> Flip(string field) => (_, adapter) =>
    {
        adapter.Config.Set(field, adapter.Config[field] is { Raw: "true" } ? "false" : "true");
        return Claim.Impossible;
    };

    /// <summary>Two fields of which only one may be set.</summary>
    private static Func<FuzzRandom, AdapterSample, Claim?> Pair(string one, string other, string first, string second) => (_, adapter) =>
    {
        adapter.Config.Set(one, first);
        adapter.Config.Set(other, second);
        return Claim.About(one, other);
    };

    private static Func<FuzzRandom, AdapterSample, Claim?> Tokens(string name, string field) => (random, adapter) =>
    {
        if (adapter.Name != name)
        {
            return null;
        }
        string[] own = [.. adapter.Config[field]!.Items!.Select(item => item.Raw)];
        string doubled = string.Join(", ", own[..^1].Append(own[0])), outside = string.Join(", ", own[..^1].Append("200")),
            negative = string.Join(", ", own[..^1].Append("-1"));
        adapter.Config.Set(field, random.Pick($"[{own[0]}]", $"[{string.Join(", ", own)}, 7]", $"[{doubled}]", $"[{outside}]",
            $"[{negative}]", "[]", "\"5\""));
        return Claim.Impossible;
    };
}
