using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Miss;

/// <summary>Which form of MiSS.</summary>
public enum MissForm
{
    /// <summary>One matrix (r, out) that all pieces of the input share.</summary>
    Balance,

    /// <summary>The same, started at random. For tests.</summary>
    Random,

    /// <summary>Bat: each block of the weight is also multiplied.</summary>
    Bat,

    /// <summary>A matrix (r, mini_r) that is repeated over the outputs.</summary>
    Mini,
}

/// <summary>Hyperparameters of MiSS (Kang and Yin 2024, matrix shard sharing). Defaults are Hugging Face's.</summary>
public sealed record MissConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public MissConfig()
    {
    }

    private MissConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "MISS";

    /// <summary>r, the length of the pieces the input is cut into.</summary>
    public int Rank { get; init; } = 64;

    /// <summary>Outputs after which the mini form repeats itself.</summary>
    public int MiniRank { get; init; } = 1;

    /// <summary>Dropout on the layer's input.</summary>
    public double Dropout { get; init; }

    /// <summary>Which form.</summary>
    public MissForm Form { get; init; }

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers;

    internal override string BiasOfTargets => "MiSS_only";

    internal override bool StartsAsBase => Form != MissForm.Random;

    internal static MissConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 64, min: 1),
        MiniRank = config.Int("mini_r", 1, min: 1),
        Dropout = config.Float("miss_dropout", 0, min: 0, max: 1),
        Form = ConfigFields.BoolOrName(config, "init_weights", "true", "bat", "mini") switch
        {
            "bat" => MissForm.Bat,
            "mini" =>
            MissForm.Mini,
            "false" => MissForm.Random,
            _ => MissForm.Balance
        },
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["mini_r"] = MiniRank;
        json["miss_dropout"] = Float(Dropout);
        json["init_weights"] = Form switch { MissForm.Bat => "bat", MissForm.Mini => "mini", _ => Form == MissForm.Balance };
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        Hyperparameters.Dropout("miss_dropout", Dropout);
        var pieces = new Dictionary<int, Tensors.Tensor>();
        return new TargetedLayers(context, this).Attach((path, layer, site) =>
        {
            if (!pieces.TryGetValue(layer.Inputs, out var sums))
            {
                pieces.Add(layer.Inputs, sums = Pieces(context, layer.Inputs));
            }
            return Form == MissForm.Bat ? new BatAdapter(context, this, path, layer, sums)
                : new MissAdapter(context, this, path, layer, sums, site);
        });
    }

    /// <summary>(r, in) of ones and zeros that adds up the pieces of an input; the last piece may be short.</summary>
    private Tensors.Tensor Pieces(AttachContext context, int inputs)
    {
        float[] ones = new float[Rank * inputs];
        for (int i = 0; i < inputs; i++)
        {
            ones[i % Rank * inputs + i] = 1;
        }
        return context.NewConstant(ones, [Rank, inputs]);
    }
}
