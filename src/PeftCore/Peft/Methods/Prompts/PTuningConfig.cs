using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Which network makes the virtual tokens of P-tuning.</summary>
public enum PromptNetwork
{
    /// <summary>Three affine maps with ReLU between.</summary>
    Mlp,

    /// <summary>A bidirectional LSTM, then two affine maps with ReLU between.</summary>
    Lstm,
}

/// <summary>Hyperparameters of P-tuning (Liu et al. 2021, "GPT Understands, Too"): virtual tokens made by a network, which trains faster
/// than the tokens by themselves. Hugging Face calls this the prompt encoder.</summary>
public sealed record PTuningConfig : PromptLearningConfig
{
    private const int DefaultLayers = 2;

    /// <summary>Hugging Face's defaults.</summary>
    public PTuningConfig()
    {
    }

    private PTuningConfig(ConfigReader config) : base(config)
    {
        EncoderReparameterizationType = config.Choice("encoder_reparameterization_type", "MLP", "MLP", "LSTM") == "LSTM"
            ? PromptNetwork.Lstm : PromptNetwork.Mlp;
        EncoderHiddenSize = config.IntOrNull("encoder_hidden_size", min: 1);
        EncoderNumLayers = config.Int("encoder_num_layers", DefaultLayers, min: 1);
        EncoderDropout = config.Float("encoder_dropout", 0, min: 0, max: 1);
    }

    /// <inheritdoc/>
    public override string PeftType => "P_TUNING";

    /// <summary>The network.</summary>
    public PromptNetwork EncoderReparameterizationType { get; init; }

    /// <summary>Columns inside the network; null for those of a token.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>Layers of the LSTM; the MLP has three maps whatever this says.</summary>
    public int EncoderNumLayers { get; init; } = DefaultLayers;

    /// <summary>Dropout between layers of the LSTM.</summary>
    public double EncoderDropout { get; init; }

    internal static PTuningConfig Read(ConfigReader config) => new(config);

    internal override void WriteOwn(JsonObject json)
    {
        json["encoder_reparameterization_type"] = EncoderReparameterizationType == PromptNetwork.Lstm ? "LSTM" : "MLP";
        json["encoder_hidden_size"] = EncoderHiddenSize;
        json["encoder_num_layers"] = EncoderNumLayers;
        json["encoder_dropout"] = Float(EncoderDropout);
    }

    internal override PromptLearningConfig Resolved(AttachContext context)
    {
        var resolved = (PTuningConfig)base.Resolved(context);
        return resolved with { EncoderHiddenSize = EncoderHiddenSize ?? resolved.TokenDim };
    }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        if (EncoderHiddenSize < 1 || EncoderNumLayers < 1 || EncoderDropout is not (>= 0 and < 1))
        {
            throw new BadInputException(
                $"encoder_hidden_size is {EncoderHiddenSize}, encoder_num_layers {EncoderNumLayers} and encoder_dropout " +
                $"{EncoderDropout}; sizes must be at least 1, dropout at least 0 and below 1");
        }
        int columns = TokenDim!.Value, hidden = EncoderHiddenSize!.Value;
        if (!context.IsNew)
        {
            return new EmbeddingPrompt(context.NewParameter([NumVirtualTokens, columns]));
        }
        var weights = new NamedParameters(context);
        var table = weights.Normal("embedding.weight", [NumVirtualTokens, columns]);
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
            [.. layers.Select((_, i) => new LayerDropout(context.Base.Mode, (float)EncoderDropout, LayerDropout.FirstBesideLayers +
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
