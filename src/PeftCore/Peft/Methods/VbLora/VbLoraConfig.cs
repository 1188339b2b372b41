namespace PeftCore.Peft.VbLora;

/// <summary>Hyperparameters of VB-LoRA (Li et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record VbLoraConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<VbLoraConfig> Fields { get; } = new ConfigFields<VbLoraConfig>(new())
        .Targets(bias: "vblora_only", exclude: true, layers: true, fanInFanOut: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "Rank r of the update.", min: 1)
        .Int("num_vectors", c => c.Vectors, (c, v) => c with { Vectors = v }, "h, number of vectors in the bank.", min: 1)
        .Int("vector_length", c => c.VectorLength, (c, v) => c with { VectorLength = v },
            "b, length of a vector; divides the inputs and outputs of every layer.", min: 1)
        .Int("topk", c => c.TopK, (c, v) => c with { TopK = v }, "k, number of vectors that a piece is mixed of.", min: 1)
        .Fraction("vblora_dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the input of A.")
        .Bool("save_only_topk_weights", c => c.SaveOnlyTopK, (c, v) => c with { SaveOnlyTopK = v },
            "Save only which vectors each piece uses and in which parts: a far smaller file, which cannot train further.")
        .Float("init_vector_bank_bound", c => c.BankBound, (c, v) => c with { BankBound = v },
            "The bank starts uniform in ± this bound.")
        .Float("init_logits_std", c => c.LogitsDeviation, (c, v) => c with { LogitsDeviation = v },
            "Standard deviation of the logits at the start.");

    /// <summary>r, the rank of the update.</summary>
    public int Rank { get; init; } = 4;

    /// <summary>h, number of vectors in the bank.</summary>
    public int Vectors { get; init; } = 256;

    /// <summary>b, length of a vector; divides the inputs and outputs of every layer.</summary>
    public int VectorLength { get; init; } = 256;

    /// <summary>k, number of bank vectors that are mixed into a piece.</summary>
    public int TopK { get; init; } = 2;

    /// <summary>Dropout probability of the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether the file holds only the top-k indices and weights of each piece. It is far smaller, but training cannot continue
    /// from it.</summary>
    public bool SaveOnlyTopK { get; init; }

    /// <summary>Bound u of the bank's uniform initial values in [−u, u].</summary>
    internal double BankBound { get; init; } = 0.02;

    /// <summary>Standard deviation of the initial logits.</summary>
    internal double LogitsDeviation { get; init; } = 0.1;

    internal override bool StartsAsBase => false;

    internal override Adapter AttachTo(AttachContext context)
    {
        if (TopK > Vectors)
        {
            throw new BadInputException($"topk is {TopK}, but the bank has {Vectors} vectors; choose from 1 up to as many");
        }
        Nn.Parameter? bank = null;
        var adapter = new TargetedLayers(context, this).Attach((path, layer, site) => new VbLoraAdapter(context, this, path, layer,
            bank ??= Bank(context, path), site));
        adapter.State = SaveOnlyTopK ? () => adapter.Parameters.Select(SavedEntry.Of) : null;
        return adapter;
    }

    private Nn.Parameter Bank(AttachContext context, string firstPath)
    {
        var bank = context.NewParameter([Vectors, VectorLength]).Uniform((float)BankBound, context.Seed, ulong.MaxValue);
        context.Adapter.Shared.Add(new AdapterParameter(firstPath, "vblora_vector_bank.{0}", "vblora_vector_bank", bank, OfModel: true));
        return bank;
    }
}
