using System.Text.RegularExpressions;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Finds lost copies in PTX (Briggs et al. 1998). ILGPU writes the copies into a φ, such as a loop variable, at the end of the
/// preceding block, before its branch. If that block can also branch to where the φ's old value is read, that value is lost. The usual
/// case: a conditional branch from a loop's body to its head, with the loop variable read after the other way out.</summary>
internal sealed partial class LostCopies
{
    private readonly List<Block> _blocks = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly Dictionary<string, int> _writes = []; // Number of instructions that write a register: several for a φ.

    private LostCopies(string ptx)
    {
        var block = NewBlock("");
        foreach (string line in ptx.Split('\n').Select(line => line.Trim().TrimEnd(';')))
        {
            if (line.StartsWith("L_", StringComparison.Ordinal) && line.EndsWith(':'))
            {
                block = NewBlock(line[..^1]);
            }
            else if (Instruction().Match(line) is { Success: true } match)
            {
                Add(block, new Operation(match));
            }
        }
    }

    /// <summary>The registers whose value is lost, with the label of the block.</summary>
    public static IReadOnlyList<string> In(string ptx)
    {
        var program = new LostCopies(ptx);
        program.FindLive();
        return [.. program._blocks.SelectMany(program.LostIn)];
    }

    private Block NewBlock(string label)
    {
        var block = new Block(label);
        _labels[label] = _blocks.Count;
        _blocks.Add(block);
        return block;
    }

    private void Add(Block block, Operation operation)
    {
        block.Operations.Add(operation);
        block.Reads.UnionWith(operation.Reads.Except(block.Writes));
        block.Writes.UnionWith(operation.Writes);
        foreach (string register in operation.Writes)
        {
            _writes[register] = _writes.GetValueOrDefault(register) + 1;
        }
    }

    // Live at a block's start: what it reads first, and what is live after it and not written in it.
    private void FindLive()
    {
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = _blocks.Count - 1; i >= 0; i--)
            {
                var block = _blocks[i];
                int before = block.Live.Count;
                block.Live.UnionWith(block.Reads);
                foreach (var next in After(i))
                {
                    block.Live.UnionWith(next.Live.Except(block.Writes));
                }
                changed |= block.Live.Count > before;
            }
        }
    }

    private IEnumerable<string> LostIn(Block block, int index)
    {
        Block[] ways = [.. After(index).Distinct()];
        int branch = block.Operations.FindIndex(operation => operation.Target is not null);
        if (ways.Length < 2 || branch < 0)
        {
            yield break;
        }
        for (int i = branch - 1; i >= 0 && block.Operations[i].IsCopy; i--)
        {
            string register = block.Operations[i].Writes[0];
            bool decides = block.Operations[branch].Reads.Contains(register);
            if (_writes[register] > 1 && (decides || Array.TrueForAll(ways, way => way.Live.Contains(register))))
            {
                yield return $"{register} in {block.Label}";
            }
        }
    }

    // The blocks that may run after a block: the targets of its branches, and the following one unless it ends with a jump.
    private IEnumerable<Block> After(int index)
    {
        foreach (var operation in _blocks[index].Operations.Where(operation => operation.EndsBlock || operation.Target is not null))
        {
            if (operation.Target is not null)
            {
                yield return _blocks[_labels[operation.Target]];
            }
            if (operation.EndsBlock)
            {
                yield break;
            }
        }
        if (index + 1 < _blocks.Count)
        {
            yield return _blocks[index + 1];
        }
    }

    private sealed record Block(string Label)
    {
        public List<Operation> Operations { get; } = [];
        public HashSet<string> Reads { get; } = [];
        public HashSet<string> Writes { get; } = [];
        public HashSet<string> Live { get; } = [];
    }

    private sealed class Operation
    {
        // Instructions whose first operand is not a register that they write.
        private static readonly string[] WithoutResult =
        [
            "st", "bra", "bar", "barrier", "red", "cp", "mbarrier", "wgmma", "setmaxnreg", "griddepcontrol", "fence", "prefetch", "membar",
            "stmatrix", "peft", "call",
        ];

        public Operation(Match match)
        {
            string guard = match.Groups["guard"].Value, name = match.Groups["name"].Value, operands = match.Groups["operands"].Value;
            int end = operands.IndexOf(operands.StartsWith('{') ? '}' : ',', StringComparison.Ordinal);
            bool hasResult = !operands.StartsWith('[') && !WithoutResult.Contains(name.Split('.')[0]);
            string result = !hasResult ? "" : end < 0 ? operands : operands[..end];
            Writes = guard.Length > 0 ? [] : Registers(result);
            Reads = [.. Registers(guard), .. Registers(guard.Length > 0 ? operands : operands[result.Length..])];
            Target = name.StartsWith("bra", StringComparison.Ordinal) && operands.StartsWith("L_", StringComparison.Ordinal)
                ? operands : null;
            EndsBlock = guard.Length == 0 && (Target is not null || name == "ret");
            IsCopy = Writes.Length == 1 && name.StartsWith("mov.", StringComparison.Ordinal);
        }

        public string[] Reads { get; }
        public string[] Writes { get; }
        public string? Target { get; }
        public bool EndsBlock { get; }
        public bool IsCopy { get; }

        private static string[] Registers(string text) =>
            text.Contains('%') ? [.. Register().Matches(text).Select(match => match.Value)] : [];
    }

    [GeneratedRegex(@"^(@!?(?<guard>%\w+)\s+)?(?<name>[a-z][\w.:]*)(\s+(?<operands>.*))?$")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"%(rd|rh|rs|r|fd|f|p)\d+")]
    private static partial Regex Register();
}
