namespace PeftCore.Peft.Miss;

/// <summary>Variant of MiSS.</summary>
internal enum MissForm
{
    /// <summary>One matrix (r, out) that all pieces of the input share.</summary>
    Balance,

    /// <summary>As <see cref="Balance"/>, but with a random initialisation, for tests.</summary>
    Random,

    /// <summary>Bat: the update of each block also depends on the weight.</summary>
    Bat,

    /// <summary>A matrix (r, mini_r) that is repeated over the outputs.</summary>
    Mini,
}

/// <summary>Hyperparameters of MiSS (Kang and Yin 2024, matrix shard sharing). Defaults are Hugging Face's.</summary>
public sealed record MissConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<MissConfig> Fields { get; } = new ConfigFields<MissConfig>(new())
        .Targets(bias: "MiSS_only", exclude: true, layers: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "r, length of the pieces that the input is cut into.", min: 1)
        .Int("mini_r", c => c.MiniRank, (c, v) => c with { MiniRank = v }, "Outputs after which the mini form repeats.", min: 1)
        .Fraction("miss_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the layer's input.")
        .Choice("init_weights", c => c.Form, (c, v) => c with { Form = v },
            "Form: true for MiSS, bat multiplies each block of the weight as well, mini repeats over the outputs; false starts as noise.",
            ("true", MissForm.Balance), ("false", MissForm.Random), ("bat", MissForm.Bat), ("mini", MissForm.Mini));

    /// <summary>r, length of the pieces that the input is cut into.</summary>
    public int Rank { get; init; } = 64;

    /// <summary>Number of outputs after which <see cref="MissForm.Mini"/> repeats.</summary>
    internal int MiniRank { get; init; } = 1;

    /// <summary>Dropout probability of the layer's input.</summary>
    public double Dropout { get; init; }

    /// <summary>The variant of MiSS.</summary>
    internal MissForm Form { get; init; }

    internal override bool StartsAsBase => Form != MissForm.Random;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var blockSums = new Dictionary<int, Tensors.Tensor>();
        return new TargetedLayers(context, this).Attach((path, layer, site) =>
        {
            if (!blockSums.TryGetValue(layer.Inputs, out var sums))
            {
                blockSums.Add(layer.Inputs, sums = BlockSumMatrix(context, layer.Inputs));
            }
            return Form == MissForm.Bat ? new BatAdapter(context, this, path, layer, sums)
                : new MissAdapter(context, this, path, layer, sums, site);
        });
    }

    /// <summary>(r, in) of ones and zeros that adds up the pieces of an input; the last piece may be short.</summary>
    private Tensors.Tensor BlockSumMatrix(AttachContext context, int inputs)
    {
        float[] ones = new float[Rank * inputs];
        for (int i = 0; i < inputs; i++)
        {
            ones[i % Rank * inputs + i] = 1;
        }
        return context.NewConstant(ones, [Rank, inputs]);
    }
}
