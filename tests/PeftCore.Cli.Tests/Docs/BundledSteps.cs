using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Docs;

/// <summary>The two training steps that README and pictures compare: the bundled model, 8 rows of 128 tokens, AdamW.</summary>
internal static class BundledSteps
{
    public const int Rows = 8, Tokens = 128, Rank = 8;

    private static readonly Lazy<MemoryPlan> FullPlan = new(() => Plan(new FullConfig())),
        LoraPlan = new(() => Plan(new LoraConfig { Rank = Rank }));

    /// <summary>Every weight trains.</summary>
    public static MemoryPlan Full => FullPlan.Value;

    /// <summary>A LoRA of rank 8 on the query and value projections, the default.</summary>
    public static MemoryPlan Lora => LoraPlan.Value;

    /// <summary>"full" or "lora".</summary>
    public static MemoryPlan Of(string method) => method == "full" ? Full : Lora;

    private static MemoryPlan Plan(PeftConfig config) => MemoryPlan.Of(backend =>
    {
        var model = new PeftModel(ModelLoader.Load(Bundled.BaseLlama, backend));
        model.AddAdapter(config);
        return model;
    }, Rows, Tokens);
}
