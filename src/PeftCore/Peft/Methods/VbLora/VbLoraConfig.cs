using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.VbLora;

/// <summary>Hyperparameters of VB-LoRA (Li et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record VbLoraConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public VbLoraConfig()
    {
    }

    private VbLoraConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "VBLORA";

    /// <summary>r, the rank of the update.</summary>
    public int Rank { get; init; } = 4;

    /// <summary>h, vectors in the bank.</summary>
    public int Vectors { get; init; } = 256;

    /// <summary>b, length of a vector; divides the inputs and outputs of every layer.</summary>
    public int VectorLength { get; init; } = 256;

    /// <summary>k, vectors of which a piece is mixed.</summary>
    public int TopK { get; init; } = 2;

    /// <summary>Dropout on the input of A.</summary>
    public double Dropout { get; init; }

    /// <summary>Save for each piece only which vectors it uses and in which parts: a far smaller file, which does not train on.</summary>
    public bool SaveOnlyTopK { get; init; }

    /// <summary>The bank starts uniform in ± this.</summary>
    public double BankBound { get; init; } = 0.02;

    /// <summary>Standard deviation of the logits at the start.</summary>
    public double LogitsDeviation { get; init; } = 0.1;

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "vblora_only";

    internal override bool StartsAsBase => false;

    internal static VbLoraConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 4, min: 1),
        Vectors = config.Int("num_vectors", 256, min: 1),
        VectorLength = config.Int("vector_length", 256, min: 1),
        TopK = config.Int("topk", 2, min: 1),
        Dropout = config.Float("vblora_dropout", 0, min: 0, max: 1),
        SaveOnlyTopK = config.Bool("save_only_topk_weights", false),
        BankBound = config.Float("init_vector_bank_bound", 0.02),
        LogitsDeviation = config.Float("init_logits_std", 0.1),
    };

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["num_vectors"] = Vectors;
        json["vector_length"] = VectorLength;
        json["topk"] = TopK;
        json["vblora_dropout"] = Float(Dropout);
        json["save_only_topk_weights"] = SaveOnlyTopK;
        json["init_vector_bank_bound"] = Float(BankBound);
        json["init_logits_std"] = Float(LogitsDeviation);
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Rank(Rank);
        Hyperparameters.Dropout("vblora_dropout", Dropout);
        if (TopK < 1 || TopK > Vectors)
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
