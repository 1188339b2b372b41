using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>P-tuning (Liu et al. 2021): virtual tokens = network(table), both trained.</summary>
/// <param name="count">Number of virtual tokens.</param>
/// <param name="weights">The table and the network.</param>
/// <param name="run">Computes the virtual tokens, (tokens, hidden).</param>
internal sealed class NetworkPrompt(int count, NamedParameters weights, Func<Tensor> run) : TokenPrompt(count)
{
    public override bool IsNetwork => true;

    public override IEnumerable<AdapterParameter> Parameters =>
        weights.All.Select(weight => Named(weight.Name, weight.Name, weight.Parameter));

    public override IEnumerable<SavedEntry> Entries => [Computed(run)];

    public override Tensor Rows(int task) => Read(run());
}
