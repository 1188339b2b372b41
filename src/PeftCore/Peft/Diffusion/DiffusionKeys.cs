namespace PeftCore.Peft.Diffusion;

/// <summary>The part of a diffusion pipeline that a LoRA belongs to.</summary>
internal enum PipelinePart
{
    /// <summary>The UNet.</summary>
    UNet,

    /// <summary>The text encoder.</summary>
    TextEncoder,
}

/// <summary>A tensor of a LoRA in a diffusion pipeline.</summary>
/// <param name="Part">The model it belongs to.</param>
/// <param name="Module">Path of the adapted module.</param>
/// <param name="Tensor">Name in Hugging Face PEFT's file, such as "lora_A.weight"; "alpha" for α.</param>
internal readonly record struct DiffusionKey(PipelinePart Part, string Module, string Tensor);

/// <summary>Names of LoRA tensors in files of diffusers and of kohya's trainer. Three layouts:
/// unet.PATH.lora_A.weight (diffusers with PEFT), unet.PATH.processor.to_q_lora.down.weight (diffusers before PEFT), and
/// lora_unet_PATH_WITH_UNDERSCORES.lora_down.weight with PATH.alpha beside it (kohya).</summary>
internal static class DiffusionKeys
{
    private const string Alpha = "alpha";

    private static readonly (string Prefix, PipelinePart Part)[] Prefixes =
        [("unet.", PipelinePart.UNet), ("text_encoder.", PipelinePart.TextEncoder)];

    private static readonly (string Prefix, PipelinePart Part)[] KohyaPrefixes =
        [("lora_unet_", PipelinePart.UNet), ("lora_te_", PipelinePart.TextEncoder)];

    // Ends of keys, with the names in Hugging Face PEFT's file.
    private static readonly (string End, string Tensor)[] Ends =
    [
        (".lora_A.weight", "lora_A.weight"), (".lora_B.weight", "lora_B.weight"), (".lora_B.bias", "lora_B.bias"),
        (".lora_magnitude_vector", "lora_magnitude_vector"), (".lora_magnitude_vector.weight", "lora_magnitude_vector"),
        (".lora.down.weight", "lora_A.weight"), (".lora.up.weight", "lora_B.weight"),
        (".lora_linear_layer.down.weight", "lora_A.weight"), (".lora_linear_layer.up.weight", "lora_B.weight"), (".alpha", Alpha),
    ];

    // Attention layers of a processor, in files before PEFT.
    private static readonly (string Name, string Module)[] Processor =
        [("to_q_lora", "to_q"), ("to_k_lora", "to_k"), ("to_v_lora", "to_v"), ("to_out_lora", "to_out.0")];

    private static readonly (string End, string Tensor)[] KohyaEnds =
        [(".lora_down.weight", "lora_A.weight"), (".lora_up.weight", "lora_B.weight"), (".alpha", Alpha)];

    /// <summary>Segments of paths that hold underscores themselves, so that kohya's names can be taken apart; the longest that fits
    /// counts.</summary>
    private static readonly string[] Segments =
    [
        "time_emb_proj", "conv_shortcut", "transformer_blocks", "down_blocks", "up_blocks", "mid_block", "time_embedding", "conv_in",
        "conv_out", "proj_in", "proj_out", "to_q", "to_k", "to_v", "to_out", "linear_1", "linear_2", "text_model", "self_attn", "q_proj",
        "k_proj", "v_proj", "out_proj", "attentions", "resnets", "downsamplers", "upsamplers", "attn1", "attn2", "conv1", "conv2", "conv",
        "ff", "net", "proj", "encoder", "layers", "mlp", "fc1", "fc2",
    ];

    /// <summary>Reads a key.</summary>
    /// <returns>Null if the key has none of the known forms.</returns>
    public static DiffusionKey? Parse(string key) => ParseKohya(key) ?? ParseDiffusers(key);

    /// <summary>The key in diffusers' layout.</summary>
    public static string ToDiffusers(DiffusionKey key) => PrefixOf(key.Part) + key.Module + "." + key.Tensor;

    /// <summary>The key in kohya's layout.</summary>
    /// <exception cref="BadInputException">Kohya's files have no such tensor.</exception>
    public static string ToKohya(DiffusionKey key)
    {
        string prefix = Array.Find(KohyaPrefixes, row => row.Part == key.Part).Prefix;
        string? end = Array.Find(KohyaEnds, row => row.Tensor == key.Tensor).End;
        return end is not null ? prefix + key.Module.Replace('.', '_') + end
            : throw new BadInputException($"kohya's layout has no place for \"{key.Module}.{key.Tensor}\"; choose diffusers");
    }

    /// <summary>The prefix of a part in diffusers' layout.</summary>
    public static string PrefixOf(PipelinePart part) => Array.Find(Prefixes, row => row.Part == part).Prefix;

    private static DiffusionKey? ParseDiffusers(string key)
    {
        var (prefix, part) = Array.Find(Prefixes, row => key.StartsWith(row.Prefix, StringComparison.Ordinal));
        if (prefix is null)
        {
            return null;
        }
        string rest = key[prefix.Length..];
        int processor = rest.IndexOf(".processor.", StringComparison.Ordinal);
        if (processor > 0)
        {
            string[] parts = rest[(processor + ".processor.".Length)..].Split('.');
            string? module = parts is [var name, "down" or "up", "weight"] ? Array.Find(Processor, row => row.Name == name).Module : null;
            return module is null ? null
                : new DiffusionKey(part, rest[..processor] + "." + module, parts[1] == "down" ? "lora_A.weight" : "lora_B.weight");
        }
        // The longest end first: ".lora.down.weight" before ".weight" of anything else.
        var (end, tensor) = Array.Find(Ends, row => rest.EndsWith(row.End, StringComparison.Ordinal));
        return end is null || rest.Length == end.Length ? null : new DiffusionKey(part, rest[..^end.Length], tensor);
    }

    private static DiffusionKey? ParseKohya(string key)
    {
        var (prefix, part) = Array.Find(KohyaPrefixes, row => key.StartsWith(row.Prefix, StringComparison.Ordinal));
        var (end, tensor) = Array.Find(KohyaEnds, row => key.EndsWith(row.End, StringComparison.Ordinal));
        if (prefix is null || end is null || key.Length <= prefix.Length + end.Length)
        {
            return null;
        }
        return PathOf(key[prefix.Length..^end.Length]) is { } module ? new DiffusionKey(part, module, tensor) : null;
    }

    /// <summary>A path from its segments joined by underscores; null if a segment is unknown.</summary>
    private static string? PathOf(string joined)
    {
        var path = new List<string>();
        for (int at = 0; at < joined.Length;)
        {
            int digits = at;
            while (digits < joined.Length && char.IsAsciiDigit(joined[digits]))
            {
                digits++;
            }
            int length = digits > at ? digits - at : Segments.Where(segment => IsAt(joined, at, segment)).Select(segment => segment.Length)
                .DefaultIfEmpty(0).Max();
            if (length == 0 || (at + length < joined.Length && joined[at + length] != '_'))
            {
                return null;
            }
            path.Add(joined.Substring(at, length));
            at += length + 1;
        }
        return path.Count == 0 ? null : string.Join('.', path);
    }

    private static bool IsAt(string joined, int at, string segment) =>
        string.CompareOrdinal(joined, at, segment, 0, segment.Length) == 0
        && (at + segment.Length == joined.Length || joined[at + segment.Length] == '_');
}
