namespace PeftCore.Kernels;

/// <summary>Group-limited routing (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report"): experts form groups of equal size, and a token
/// chooses among the experts of its best groups only. A group's score is the sum of its two largest.</summary>
/// <param name="Count">Groups; 1 for no limit.</param>
/// <param name="Kept">Groups that a token chooses from.</param>
internal readonly record struct ExpertGroups(int Count, int Kept)
{
    /// <summary>One group of all experts.</summary>
    public static ExpertGroups All => new(1, 1);
}
