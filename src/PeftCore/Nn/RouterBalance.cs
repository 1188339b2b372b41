using PeftCore.Autograd;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>The load-balancing loss of mixtures of experts (Fedus et al. 2021, "Switch Transformers", equations 4 to 6), as transformers'
/// load_balancing_loss_func: E·Σ_e f_e·P_e, with f_e the mean number of choices of expert e by a token, and P_e its mean probability, both
/// over the tokens of all blocks. It is least if all experts are chosen alike. f is a constant for the gradient. Routers of the calling
/// thread report to the innermost one.</summary>
internal sealed class RouterBalance : IDisposable
{
    [ThreadStatic]
    private static RouterBalance? _current;

    private readonly RouterBalance? _outer = _current;
    private readonly Func<int, Tensor> _shares;
    private Tensor? _choices;
    private Tensor? _probabilities;
    private int _routers;

    /// <summary>Starts to collect.</summary>
    /// <param name="shares">F32 (1, tokens): the share of each token in a mean, 0 for padding, by the number of tokens.</param>
    public RouterBalance(Func<int, Tensor> shares)
    {
        _shares = shares;
        _current = this;
    }

    /// <summary>Reports the logits of a router, F32 (tokens, experts), and its choice, if a loss is collected.</summary>
    public static void Report(Tensor logits, ExpertRouting routing) => _current?.Add(logits, routing);

    /// <summary>The loss of the reported routers; null if there was none.</summary>
    public Tensor? Loss()
    {
        if (_choices is null)
        {
            return null;
        }
        using var scope = new TensorScope();
        float scale = _choices.Shape.Columns / ((float)_routers * _routers);
        return scope.Return((_choices * _probabilities!).Sum() * scale);
    }

    public void Dispose() => _current = _outer;

    private void Add(Tensor logits, ExpertRouting routing)
    {
        using var scope = new TensorScope();
        var shares = _shares(logits.Shape[0]); // (1, tokens)
        var one = logits.Detach().TakeColumns(routing.Chosen) * 0 + 1; // (tokens, k), made on the device, so that it can be captured
        var choices = shares.MatMul(one.PutColumns(routing.Chosen, routing.Count)); // (1, experts)
        var probabilities = shares.MatMul(logits.Softmax());
        _choices = (_choices is null ? choices : _choices + choices).SameScope(shares);
        _probabilities = (_probabilities is null ? probabilities : _probabilities + probabilities).SameScope(shares);
        _routers++;
    }
}
