namespace PeftCore.Peft;

/// <summary>Normalizes keys of adapter files by other programs to the form of <see cref="AdapterParameter.FileName"/>: without the segments
/// of training wrappers and without the adapter's name.</summary>
internal static class AdapterKeys
{
    /// <summary>Segments that a wrapper of the whole model inserts into every key (torch.compile, FSDP).</summary>
    private static readonly HashSet<string> Wrappers = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    /// <summary>Parameters that are modules in Hugging Face PEFT: ".weight" or ".bias" follows their name.</summary>
    private static readonly HashSet<string> Modules = ["lora_A", "lora_B", "oft_R", "ln_tuning_layers"];

    /// <summary>Parameters whose name is the end of a key.</summary>
    private static readonly HashSet<string> Ends =
    [
        "lora_E", "lora_embedding_A", "lora_embedding_B", "ia3_l", "vera_lambda_b", "vera_lambda_d", "vera_A", "vera_B", "hada_w1_a",
        "hada_w1_b",
        "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
        "boft_R", "boft_s", "hra_u",
        "shira_weight", "shira_indices", "fourierft_spectrum", Bank, "vblora_logits_A", "vblora_logits_B", "vblora_logits_A_topk_indices",
        "vblora_logits_A_topk_weights", "vblora_logits_B_topk_indices", "vblora_logits_B_topk_weights", "randlora_A", "randlora_B",
        "randlora_lambda", "randlora_gamma",
        "c3a_kernel", "miss_block", "trainable_tokens_delta",
    ];

    private const string Magnitude = "lora_magnitude_vector", Saved = "modules_to_save", Bank = "vblora_vector_bank";

    /// <summary>Segment of the base's own copy of a module that the adapter saves whole. With bias "all" PEFT stores the copy's biases
    /// too; they are the base's, and nothing reads them.</summary>
    private const string Original = "original_module";

    /// <summary>Normalizes the keys of a file. Two stored keys may have one normalized key: with bias "all" PEFT stores the biases of
    /// modules that are saved whole, and biases that are tied, under both names.</summary>
    /// <param name="place">The file, for error sentences.</param>
    /// <param name="keys">The stored keys.</param>
    /// <returns>Normalized and stored keys, in the order of <paramref name="keys"/>, without those of the base's own copies.</returns>
    /// <exception cref="BadInputException">The file holds several adapters.</exception>
    public static IReadOnlyList<(string Key, string Stored)> Normalize(string place, IReadOnlyCollection<string> keys)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var all = keys.ToHashSet(StringComparer.Ordinal);
        var found = keys.Where(stored => !stored.Split('.').Contains(Original))
            .Select(stored => (Shorten(Unwrapped(Untied(stored, all)), names), stored)).ToList();
        return names.Count < 2 ? found : throw new BadInputException(
            $"{place}: the keys name {names.Count} adapters ({string.Join(", ", names.Order(StringComparer.Ordinal))}); save each to a " +
            "directory of its own");
    }

    /// <summary>The bias of a language model's last layer is that of its head: "cls.predictions.decoder.bias" is
    /// "cls.predictions.bias".</summary>
    private static string Untied(string key, HashSet<string> all)
    {
        const string Tied = ".decoder.bias";
        string head = key.EndsWith(Tied, StringComparison.Ordinal) ? key[..^Tied.Length] + ".bias" : key;
        return all.Contains(head) ? head : key;
    }

    /// <summary>A key without segments of wrappers of the whole model, such as DistributedDataParallel's prefix "module.".</summary>
    private static string Unwrapped(string key)
    {
        const string Parallel = "module." + AdapterParameter.ModelPrefix;
        if (key.StartsWith(Parallel, StringComparison.Ordinal))
        {
            key = key["module.".Length..];
        }
        return key.Contains('_', StringComparison.Ordinal) ? string.Join('.', key.Split('.').Where(part => !Wrappers.Contains(part))) : key;
    }

    /// <summary>Removes the adapter's name from a key and adds it to the names.</summary>
    private static string Shorten(string key, HashSet<string> names)
    {
        string[] parts = key.Split('.');
        int at = Array.FindLastIndex(parts, part => Modules.Contains(part) || Ends.Contains(part) || part is Magnitude or Saved);
        if (at < 0)
        {
            return key;
        }
        if (at > 0 && !key.StartsWith(AdapterParameter.ModelPrefix, StringComparison.Ordinal))
        {
            return Shorten(AdapterParameter.Prefix + key, names); // Saved from the bare model.
        }
        string[] behind = parts[(at + 1)..];
        if (parts[at] == Bank && at > 1)
        {
            (parts, at) = (["base_model", Bank, .. behind], 1); // A layer refers to it, but it belongs to the whole adapter.
        }
        switch (parts[at])
        {
            case Magnitude when behind is ["weight"]:
                return Joined(parts[..(at + 1)]);
            case Magnitude when behind is [_] or [_, "weight"]:
                return Without(behind[0], parts[..(at + 1)]);
            case Saved when behind.Length > 0:
                // A module saved whole: its own path follows the adapter's name, or "modules_to_save" in files that omit the name.
                return behind.Length == 1 ? Joined([.. parts[..at], .. behind]) : Without(behind[0], [.. parts[..at], .. behind[1..]]);
            case var kind when Modules.Contains(kind):
                return behind is [var named, "weight" or "bias"] ? Without(named, [.. parts[..(at + 1)], behind[1]])
                    : behind is [not ("weight" or "bias")] ? Without(behind[0], parts[..(at + 1)]) : key;
            case var kind when Ends.Contains(kind) && behind is [not ("weight" or "bias")]:
                return Without(behind[0], parts[..(at + 1)]);
            default:
                return Joined(parts);
        }

        string Without(string name, string[] rest)
        {
            names.Add(name);
            return Joined(rest);
        }
    }

    private static string Joined(string[] parts) => string.Join('.', parts);
}
