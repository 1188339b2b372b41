using PeftCore.Models;

namespace PeftCore.Tests.Models;

public sealed class RowMovesTests
{
    [Test]
    public void Rows_are_gathered_in_place_whatever_their_order_and_number()
    {
        var random = new Random(5);
        for (int trial = 0; trial < 500; trial++)
        {
            int present = random.Next(1, 8);
            int[] sources = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next(present))];
            int[] rows = [.. Enumerable.Range(0, 8).Select(row => 100 + row)];
            int spare = 0;
            foreach (var (from, to) in RowMoves.Gather(sources))
            {
                int value = from == RowMoves.Spare ? spare : rows[from];
                (to == RowMoves.Spare ? ref spare : ref rows[to]) = value;
            }
            Assert.That(rows[..sources.Length], Is.EqualTo(sources.Select(source => 100 + source)), string.Join(' ', sources));
        }
    }

    [TestCase(new[] { 0, 1, 2 }, 0, 0)]
    [TestCase(new[] { 0, 0, 1 }, 2, 0)]
    [TestCase(new[] { 1, 0 }, 3, 1)]
    [TestCase(new[] { 1, 2, 0, 4, 3 }, 7, 2)]
    [TestCase(new[] { 1, 0, 0 }, 4, 1)]
    public void Only_rows_that_change_are_copied_and_only_cycles_need_the_spare_row(int[] sources, int copies, int spared)
    {
        var moves = RowMoves.Gather(sources);
        Assert.That(moves, Has.Count.EqualTo(copies));
        Assert.That(moves.Count(move => move.To == RowMoves.Spare), Is.EqualTo(spared));
    }
}
