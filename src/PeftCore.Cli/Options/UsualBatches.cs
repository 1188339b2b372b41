namespace PeftCore.Cli.Options;

/// <summary>Default numbers of batches that are read before training starts.</summary>
internal static class UsualBatches
{
    /// <summary>Batches that EVA, CorDA and LoRA-GA look at to initialise a LoRA.</summary>
    public const int OfCalibration = 8;

    /// <summary>Batches whose gradients choose the entries of a sparse method.</summary>
    public const int OfSelection = 16;
}
