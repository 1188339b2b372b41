using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>The network that computes the virtual tokens of P-tuning.</summary>
public enum PromptNetwork
{
    /// <summary>Three linear layers with ReLU between them.</summary>
    Mlp,

    /// <summary>A bidirectional LSTM, then two linear layers with ReLU between them.</summary>
    Lstm,
}

/// <summary>Hyperparameters of P-tuning (Liu et al. 2021, "GPT Understands, Too"): virtual tokens computed by a network, which trains
/// faster than the tokens alone. Hugging Face calls the network the prompt encoder.</summary>
public sealed record PTuningConfig : PromptLearningConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<PTuningConfig> Fields { get; } = new ConfigFields<PTuningConfig>(new())
        .Prompts()
        .Choice("encoder_reparameterization_type", c => c.EncoderReparameterizationType,
            (c, v) => c with { EncoderReparameterizationType = v }, "Network that makes the virtual tokens.",
            ("MLP", PromptNetwork.Mlp), ("LSTM", PromptNetwork.Lstm))
        .IntOrNull("encoder_hidden_size", c => c.EncoderHiddenSize, (c, v) => c with { EncoderHiddenSize = v },
            "Hidden size of the network; null for the size of a virtual token.", min: 1)
        .Int("encoder_num_layers", c => c.EncoderNumLayers, (c, v) => c with { EncoderNumLayers = v },
            "Layers of the LSTM; the MLP always has three.", min: 1)
        .Fraction("encoder_dropout", c => c.EncoderDropout, (c, v) => c with { EncoderDropout = v },
            "Dropout probability between layers of the LSTM.");

    /// <summary>The network.</summary>
    public PromptNetwork EncoderReparameterizationType { get; init; }

    /// <summary>Hidden size of the network; null for <see cref="PromptLearningConfig.TokenDim"/>.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>Number of layers of the LSTM; ignored by the MLP, which has three linear layers.</summary>
    public int EncoderNumLayers { get; init; } = 2;

    /// <summary>Dropout probability between layers of the LSTM.</summary>
    internal double EncoderDropout { get; init; }

    internal override PromptLearningConfig Resolved(AttachContext context) =>
        (this with { EncoderHiddenSize = EncoderHiddenSize ?? TokenDim ?? ColumnsIn(context.Base) }).WithSizesOf(context);

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        int columns = TokenDim!.Value, hidden = EncoderHiddenSize!.Value;
        if (!context.IsNew)
        {
            return new EmbeddingPrompt(context.NewParameter([TokenRows, columns]), NumVirtualTokens);
        }
        var weights = new NamedParameters(context);
        var table = weights.Normal("embedding.weight", [TokenRows, columns]);
        var network = EncoderReparameterizationType == PromptNetwork.Lstm ? Lstm(context, weights, columns, hidden)
            : Mlp(weights, columns, hidden);
        return new NetworkPrompt(NumVirtualTokens, weights, () => network(table.Value));
    }

    private static Func<Tensor, Tensor> Mlp(NamedParameters weights, int columns, int hidden)
    {
        var first = weights.Linear("mlp_head.0", columns, hidden);
        var second = weights.Linear("mlp_head.2", hidden, hidden);
        var third = weights.Linear("mlp_head.4", hidden, columns);
        return x => third(second(first(x).Activate<Relu>()).Activate<Relu>());
    }

    private Func<Tensor, Tensor> Lstm(AttachContext context, NamedParameters weights, int columns, int hidden)
    {
        var layers = new BidirectionalLstm[EncoderNumLayers];
        LayerDropout[] dropouts =
            [.. layers.Select((_, i) => new LayerDropout(context.Base.Mode, (float)EncoderDropout, LayerDropout.FirstSiteAfterLayers +
                (ulong)i))];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new BidirectionalLstm(weights, "lstm_head", i, i == 0 ? columns : 2 * hidden, hidden);
        }
        var first = weights.Linear("mlp_head.0", 2 * hidden, 2 * hidden);
        var second = weights.Linear("mlp_head.2", 2 * hidden, columns);
        return x =>
        {
            for (int i = 0; i < layers.Length; i++)
            {
                x = layers[i].Run(i == 0 ? x : x.Dropout(dropouts[i].Now));
            }
            return second(first(x).Activate<Relu>());
        };
    }
}
