using System.Globalization;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Tensors;

public sealed class MemoryLedgerTests
{
    private const long Block = Arena.Granularity;

    private MetaBackend _backend = null!;
    private MemoryLedger _ledger = null!;

    [SetUp]
    public void Open()
    {
        _backend = new MetaBackend();
        _ledger = _backend.Memory;
    }

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void The_peak_remembers_what_was_alive_then_by_kind()
    {
        var weight = Make(MemoryKind.Frozen);
        var activation = Make(MemoryKind.Activation);
        Make(MemoryKind.Workspace).Dispose();
        activation.Dispose();
        Make(MemoryKind.Gradient).Dispose();
        Assert.That((_ledger.CurrentBytes, _ledger.PeakBytes), Is.EqualTo((Block, 3 * Block)));
        Assert.That(Enum.GetValues<MemoryKind>().Where(kind => _ledger.AtPeak(kind) > 0),
            Is.EqualTo(new[] { MemoryKind.Activation, MemoryKind.Frozen, MemoryKind.Workspace }));
        weight.Dispose();
        Assert.That(_ledger.Current(MemoryKind.Frozen), Is.Zero);
    }

    [Test]
    public void Its_text_is_one_line_with_current_and_peak_bytes_by_kind()
    {
        Assert.That(_ledger.ToString(), Is.EqualTo("current 0 bytes; peak 0 bytes"));
        using var weight = Make(MemoryKind.Frozen);
        Make(MemoryKind.Activation).Dispose();
        Assert.That(_ledger.ToString(), Is.EqualTo(string.Create(CultureInfo.InvariantCulture,
            $"current {Block:N0} bytes (Frozen {Block:N0}); peak {2 * Block:N0} bytes (Activation {Block:N0}, Frozen {Block:N0})")));
    }

    [Test]
    public void A_reset_starts_the_peak_from_what_is_alive()
    {
        Make(MemoryKind.Activation).Dispose();
        var tensor = Make(MemoryKind.Cache);
        Make(MemoryKind.Activation).Dispose();
        _ledger.ResetPeak();
        Assert.That((_ledger.PeakBytes, _ledger.AtPeak(MemoryKind.Cache), _ledger.AtPeak(MemoryKind.Activation)),
            Is.EqualTo((Block, Block, 0L)));
        tensor.Dispose();
    }

    [Test]
    public void Recategorizing_moves_bytes_between_kinds_and_changes_no_sum()
    {
        var tensor = Make(MemoryKind.Activation);
        tensor.Storage.Recategorize(MemoryKind.Gradient);
        Assert.That((_ledger.Current(MemoryKind.Activation), _ledger.Current(MemoryKind.Gradient), _ledger.CurrentBytes),
            Is.EqualTo((0L, Block, Block)));
        tensor.Dispose();
        Assert.That(_ledger.Current(MemoryKind.Gradient), Is.Zero);
    }

    [Test]
    public void Memory_shared_by_views_counts_once_and_until_the_last_goes()
    {
        var tensor = Make(MemoryKind.Activation);
        var view = tensor.View([1]);
        Assert.That(_ledger.CurrentBytes, Is.EqualTo(Block));
        tensor.Dispose();
        Assert.That(_ledger.CurrentBytes, Is.EqualTo(Block));
        view.Dispose();
        Assert.That(_ledger.CurrentBytes, Is.Zero);
    }

    [Test]
    public void A_watcher_sees_every_allocation_and_release()
    {
        var seen = new List<MemoryEvent>();
        _ledger.ResetPeak();
        _ledger.Watcher = seen.Add;
        Make(MemoryKind.Frozen).Dispose();
        Make(MemoryKind.Gradient).Dispose();
        _ledger.Watcher = null;
        Assert.That(seen, Is.EqualTo(new[]
        {
            new MemoryEvent(Block, MemoryKind.Frozen, true), new MemoryEvent(-Block, MemoryKind.Frozen, false),
            new MemoryEvent(Block, MemoryKind.Gradient, false), new MemoryEvent(-Block, MemoryKind.Gradient, false),
        }));
    }

    [Test]
    public void Bytes_count_as_they_are_taken_rounded_up_to_the_granularity()
    {
        using var scope = new TensorScope();
        foreach (var (count, bytes) in ((int, long)[])[(0, Block), (1, Block), (64, Block), (65, 2 * Block)])
        {
            Assert.That(_backend.NewTensor([count]).Storage.ReservedBytes, Is.EqualTo(bytes));
        }
    }

    private Tensor Make(MemoryKind kind) => _backend.NewTensor([2], kind: kind);
}
