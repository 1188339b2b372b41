using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>GPT-J (Wang and Komatsuzaki 2021): parallel blocks with one norm, rotary positions of the first rotary_dim columns of each
/// head, neighbouring columns turning together, attention without biases, a head with a bias.</summary>
internal static class GptJ
{
    private static readonly DecoderNames Names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Layers = "h",
        FinalNorm = "ln_f",
        Attention = "attn",
        Output = "out_proj",
        Up = "fc_in",
        Down = "fc_out",
        Norms = new BlockNorms("ln_1", null),
    };

    private static readonly GptNames Fields = new()
    {
        Hidden = ["n_embd", "hidden_size"],
        Layers = ["n_layer", "num_hidden_layers"],
        Heads = ["n_head", "num_attention_heads"],
        Inner = "n_inner",
        Length = "n_positions",
        Tied = false,
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        int columns = config.IntOrNull("rotary_dim", min: 2) ?? (config.Names.Contains("rotary_dim") ? spec.HeadDim : 64);
        if (columns > spec.HeadDim || columns % 2 != 0)
        {
            throw config.Error("rotary_dim", $"is {columns}, expected an even number of at most the {spec.HeadDim} elements of a head");
        }
        float dropout = DecoderFields.Dropout(config, "resid_pdrop", 0);
        return spec with
        {
            Names = Names,
            Order = BlockOrder.Parallel,
            Rope = new Nn.RopeSpec(10000, new Nn.DefaultRope(), columns, Interleaved: true),
            QkvBias = false,
            OutputBias = false,
            HeadBias = true,
            EmbeddingDropout = DecoderFields.Dropout(config, "embd_pdrop", 0),
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = DecoderFields.Dropout(config, "attn_pdrop", 0),
        };
    }
}
