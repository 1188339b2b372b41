namespace PeftCore.Io.Gguf;

/// <summary>The storage of a tensor in a GGUF file where it differs from Hugging Face's.</summary>
internal enum GgufLayout
{
    /// <summary>As it is.</summary>
    Same,

    /// <summary>The rows of each head of q are in the order of ggml's rotation, which turns neighbours: row 2i + k of the file is row
    /// i + k·d/2 of the model.</summary>
    QueryRows,

    /// <summary>The same of k, which may have fewer heads.</summary>
    KeyRows,

    /// <summary>(out, in) in the file, (in, out) in the model: the weights of GPT-2's Conv1D.</summary>
    Transposed,
}

/// <summary>An architecture of GGUF files that is read and written: its names of tensors beside Hugging Face's, which are those of
/// gguf-py's tensor_mapping.py, and the tensors that convert_hf_to_gguf.py stores in another order.</summary>
/// <param name="Name">The value of general.architecture.</param>
/// <param name="ModelType">model_type of config.json.</param>
/// <param name="Class">The class in transformers.</param>
/// <param name="Blocks">Prefix of a block's tensors in Hugging Face's names; "{0}" is its number.</param>
internal sealed record GgufArchitecture(string Name, string ModelType, string Class, string Blocks)
{
    private const string BlockPrefix = "blk.";

    private static readonly (string Gguf, string Model)[] LlamaBlock =
    [
        ("attn_norm", "input_layernorm"), ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"), ("attn_q_norm", "self_attn.q_norm"), ("attn_k_norm", "self_attn.k_norm"),
        ("ffn_norm", "post_attention_layernorm"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj"),
    ];

    private static readonly (string Gguf, string Model)[] LlamaOutside =
        [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

    private static readonly GgufArchitecture[] All =
    [
        new("llama", "llama", "LlamaForCausalLM", "model.layers.{0}.")
        {
            InBlock = LlamaBlock, Outside = LlamaOutside, RotatesPairs = true,
        },
        new("qwen2", "qwen2", "Qwen2ForCausalLM", "model.layers.{0}.") { InBlock = LlamaBlock, Outside = LlamaOutside },
        new("qwen3", "qwen3", "Qwen3ForCausalLM", "model.layers.{0}.") { InBlock = LlamaBlock, Outside = LlamaOutside },
        new("gpt2", "gpt2", "GPT2LMHeadModel", "transformer.h.{0}.")
        {
            InBlock =
            [
                ("attn_norm", "ln_1"), ("attn_qkv", "attn.c_attn"), ("attn_output", "attn.c_proj"), ("ffn_norm", "ln_2"),
                ("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj"),
            ],
            Outside =
            [
                ("token_embd", "transformer.wte"), ("position_embd", "transformer.wpe"), ("output_norm", "transformer.ln_f"),
                ("output", "lm_head"),
            ],
            Transposed = ["attn_qkv", "attn_output", "ffn_up", "ffn_down"],
        },
    ];

    /// <summary>The names of the architectures.</summary>
    public static string Names => string.Join(", ", All.Select(architecture => architecture.Name));

    /// <summary>Names of a block's modules, in the file and in the model.</summary>
    public required IReadOnlyList<(string Gguf, string Model)> InBlock { get; init; }

    /// <summary>Names of the modules outside the blocks.</summary>
    public required IReadOnlyList<(string Gguf, string Model)> Outside { get; init; }

    /// <summary>Whether q and k are stored in the order of a rotation of neighbours.</summary>
    public bool RotatesPairs { get; init; }

    /// <summary>Modules of a block whose weights are transposed.</summary>
    public IReadOnlyList<string> Transposed { get; init; } = [];

    /// <summary>The architecture of a name; null for one that is not read.</summary>
    public static GgufArchitecture? Find(string name) => Array.Find(All, architecture => architecture.Name == name);

    /// <summary>The architecture that convert_hf_to_gguf.py gives models of a type; null if such models are not written.</summary>
    public static GgufArchitecture? OfModel(string modelType) =>
        Array.Find(All, architecture => architecture.ModelType == (modelType == "mistral" ? "llama" : modelType));

    /// <summary>The model's name of a tensor in the file, and its layout; null for a tensor that the model does not have.</summary>
    public (string Name, GgufLayout Layout)? ToModel(string tensor)
    {
        int dot = tensor.LastIndexOf('.');
        if (dot < 0)
        {
            return null;
        }
        string module = tensor[..dot], suffix = tensor[dot..];
        if (!module.StartsWith(BlockPrefix, StringComparison.Ordinal))
        {
            return Outside.FirstOrDefault(pair => pair.Gguf == module).Model is { } name ? (name + suffix, GgufLayout.Same) : null;
        }
        string rest = module[BlockPrefix.Length..];
        int end = rest.IndexOf('.', StringComparison.Ordinal);
        if (end < 0 || !NumberText.TryDigits(rest.AsSpan(0, end), out int block))
        {
            return null;
        }
        string part = rest[(end + 1)..];
        return InBlock.FirstOrDefault(pair => pair.Gguf == part).Model is { } found
            ? (PrefixOf(block) + found + suffix, LayoutOf(part, suffix)) : null;
    }

    /// <summary>The file's name of a module of the model and the layout of its weight; null for a module that files do not have.</summary>
    public (string Name, GgufLayout Layout)? ToFile(string module)
    {
        if (Outside.FirstOrDefault(pair => pair.Model == module).Gguf is { } outside)
        {
            return (outside, GgufLayout.Same);
        }
        string[] around = Blocks.Split("{0}");
        if (!module.StartsWith(around[0], StringComparison.Ordinal))
        {
            return null;
        }
        string rest = module[around[0].Length..];
        int end = rest.IndexOf(around[1], StringComparison.Ordinal);
        if (end < 0 || !NumberText.TryDigits(rest.AsSpan(0, end), out int block))
        {
            return null;
        }
        string part = rest[(end + around[1].Length)..];
        return InBlock.FirstOrDefault(pair => pair.Model == part).Gguf is { } found
            ? ($"{BlockPrefix}{block}.{found}", LayoutOf(found, ".weight")) : null;
    }

    private string PrefixOf(int block) => Blocks.Replace("{0}", block.ToString(System.Globalization.CultureInfo.InvariantCulture),
        StringComparison.Ordinal);

    private GgufLayout LayoutOf(string part, string suffix) =>
        RotatesPairs && part == "attn_q" ? GgufLayout.QueryRows
        : RotatesPairs && part == "attn_k" ? GgufLayout.KeyRows
        : suffix == ".weight" && Transposed.Contains(part) ? GgufLayout.Transposed : GgufLayout.Same;
}
