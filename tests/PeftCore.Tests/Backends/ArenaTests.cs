using FsCheck;
using FsCheck.Fluent;
using PeftCore.Backends;

namespace PeftCore.Tests.Backends;

public sealed class ArenaTests
{
    private const long Chunk = 16 * Arena.Granularity;

    /// <summary>One instruction: a positive number allocates so many bytes, any other frees the block of that index, modulo the blocks in
    /// use.</summary>
    private static readonly Gen<int[]> Programs = Gen.Frequency(
        (5, Gen.Choose(0, 6 * (int)Arena.Granularity)), (1, Gen.Choose(0, 40 * (int)Arena.Granularity)), (5, Gen.Choose(-100, -1)))
        .ArrayOf(60);

    [Test]
    public void Whatever_is_allocated_and_freed_blocks_never_overlap_and_no_chunk_is_taken_while_a_gap_fits() =>
        Prop.ForAll(Programs.ToArbitrary(), program =>
        {
            var source = new CountingSource();
            using var arena = new Arena(source, Chunk);
            var live = new List<(long Start, long Bytes)>();
            foreach (int step in program)
            {
                if (step >= 0)
                {
                    long bytes = Arena.Round(step), reserved = arena.ReservedBytes;
                    bool fits = Gaps(source, live).Any(gap => gap >= bytes);
                    long start = arena.Allocate(step);
                    Assert.That(start % Arena.Granularity, Is.Zero);
                    Assert.That(source.Chunks.Any(c => start >= c.Key && start + bytes <= c.Key + c.Value), "outside every chunk");
                    Assert.That(live.Any(other => start < other.Start + other.Bytes && other.Start < start + bytes), Is.False, "overlap");
                    Assert.That(arena.ReservedBytes, Is.EqualTo(fits ? reserved : reserved + Math.Max(Chunk, bytes)));
                    live.Add((start, bytes));
                }
                else if (live.Count > 0)
                {
                    int which = -step % live.Count;
                    arena.Free((nint)live[which].Start);
                    live.RemoveAt(which);
                }
                Assert.That(arena.ReservedBytes, Is.EqualTo(source.Chunks.Values.Sum()));
            }
            EndsEmpty(arena, source, live);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(150).WithReplay(3, 5));

    [Test]
    public void The_smallest_gap_that_fits_is_taken()
    {
        using var arena = new Arena(new CountingSource(), Chunk);
        nint[] blocks = [.. new[] { 4, 1, 2, 1, 8 }.Select(units => arena.Allocate(units * Arena.Granularity))];
        arena.Free(blocks[0]);
        arena.Free(blocks[2]);
        Assert.That(arena.Allocate(2 * Arena.Granularity), Is.EqualTo(blocks[2]));
        Assert.That(arena.Allocate(2 * Arena.Granularity), Is.EqualTo(blocks[0]));
    }

    [Test]
    public void A_step_that_repeats_finds_the_same_blocks()
    {
        using var arena = new Arena(new CountingSource(), Chunk);
        nint[] first = Step();
        Assert.That(Step(), Is.EqualTo(first));

        nint[] Step()
        {
            nint[] blocks = [.. Enumerable.Range(1, 9).Select(i => arena.Allocate(i * 300))];
            Array.ForEach(blocks, arena.Free);
            return blocks;
        }
    }

    [Test]
    public void Near_the_limit_empty_chunks_go_back_and_new_ones_are_no_larger_than_they_must_be()
    {
        var source = new CountingSource { Limit = Chunk + 3 * Arena.Granularity };
        using var arena = new Arena(source, Chunk);
        nint first = arena.Allocate(Chunk);
        arena.Allocate(2 * Arena.Granularity);
        Assert.That(arena.ReservedBytes, Is.EqualTo(Chunk + 2 * Arena.Granularity));
        arena.Free(first);
        arena.Allocate(Chunk + Arena.Granularity);
        Assert.That(arena.ReservedBytes, Is.EqualTo(source.Limit));
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<InsufficientMemoryException>());
    }

    [Test]
    public void Near_the_limit_one_chunk_takes_what_is_left()
    {
        var source = new CountingSource { Limit = Chunk + 5 * Arena.Granularity, KnowsLeft = true };
        using var arena = new Arena(source, Chunk);
        nint first = arena.Allocate(Chunk);
        arena.Allocate(Arena.Granularity);
        Assert.That(arena.ReservedBytes, Is.EqualTo(source.Limit));
        arena.Allocate(4 * Arena.Granularity);
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<InsufficientMemoryException>());
        arena.Free(first);
        arena.Allocate(Chunk);
        Assert.That(source.Chunks, Has.Count.EqualTo(2));
    }

    [TestCase(1)]
    [TestCase(-1)]
    public void Blocks_do_not_depend_on_the_addresses_of_chunks(int direction)
    {
        using var arena = new Arena(new CountingSource { Direction = direction }, Chunk);
        nint[] whole = [.. Enumerable.Range(0, 4).Select(_ => arena.Allocate(Chunk))];
        Array.ForEach(whole, arena.Free);
        Assert.That(Enumerable.Range(0, 4).Select(_ => arena.Allocate(Chunk)), Is.EqualTo(whole));
    }

    [Test]
    public void A_closed_arena_returns_its_chunks_takes_back_blocks_and_gives_none()
    {
        var source = new CountingSource();
        var arena = new Arena(source, Chunk);
        nint block = arena.Allocate(1);
        arena.Dispose();
        Assert.That(source.Chunks, Is.Empty);
        Assert.That(arena.ReservedBytes, Is.Zero);
        Assert.That(() => arena.Free(block), Throws.Nothing);
        Assert.That(() => arena.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
    }

    /// <summary>After all frees, neighbouring blocks are joined: each chunk can be allocated whole, and trimming returns all.</summary>
    private static void EndsEmpty(Arena arena, CountingSource source, List<(long Start, long Bytes)> live)
    {
        live.ForEach(block => arena.Free((nint)block.Start));
        long reserved = arena.ReservedBytes;
        nint[] whole = [.. source.Chunks.Values.ToArray().Select(arena.Allocate)];
        Assert.That(arena.ReservedBytes, Is.EqualTo(reserved), "freed neighbours were not joined");
        Assert.That(whole, Is.EquivalentTo(source.Chunks.Keys.Select(start => (nint)start)));
        arena.Trim();
        Assert.That(arena.ReservedBytes, Is.EqualTo(reserved), "a chunk in use was trimmed");
        Array.ForEach(whole, arena.Free);
        arena.Trim();
        Assert.That((arena.ReservedBytes, source.Chunks.Count), Is.EqualTo((0L, 0)));
    }

    /// <summary>Lengths of the gaps between the blocks in each chunk.</summary>
    private static IEnumerable<long> Gaps(CountingSource source, List<(long Start, long Bytes)> live)
    {
        foreach (var (start, bytes) in source.Chunks)
        {
            long at = start;
            foreach (var block in live.Where(b => b.Start >= start && b.Start < start + bytes).Order())
            {
                yield return block.Start - at;
                at = block.Start + block.Bytes;
            }
            yield return start + bytes - at;
        }
    }

    /// <summary>Addresses without memory, with gaps between chunks.</summary>
    private sealed class CountingSource : IChunkSource
    {
        private long _next = 1 << 20;

        public SortedDictionary<long, long> Chunks { get; } = [];

        public long Limit { get; init; } = long.MaxValue;

        public long Left => Math.Min(Limit - Chunks.Values.Sum(), KnowsLeft ? long.MaxValue : 0);

        /// <summary>Whether it says how much is left; otherwise nothing beyond what is asked for.</summary>
        public bool KnowsLeft { get; init; }

        /// <summary>1 or -1: whether the addresses of later chunks are higher or lower.</summary>
        public int Direction { get; init; } = 1;

        public nint Take(long bytes, long unused = 0)
        {
            if (Chunks.Values.Sum() + bytes > Limit)
            {
                throw new InsufficientMemoryException();
            }
            long start = Direction < 0 ? _next - bytes : _next;
            _next += Direction * (bytes + Arena.Granularity);
            Chunks.Add(start, bytes);
            return (nint)start;
        }

        public void Return(nint address, long bytes)
        {
            Assert.That(Chunks.Remove(address, out long taken) && taken == bytes);
        }
    }
}
