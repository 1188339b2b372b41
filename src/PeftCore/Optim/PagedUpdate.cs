
namespace PeftCore.Optim;

/// <summary>Updates parameters whose moments are in host memory, a group at a time: while a group is updated, the moments of the next one
/// are copied to the device and those of the one before back to the host. The device holds the moments of three groups at most. The
/// arithmetic is that of one update of all.</summary>
internal static class PagedUpdate
{
    /// <summary>Bytes of moments in a group; a parameter with more is a group of its own.</summary>
    public const long GroupBytes = 64L << 20;

    /// <summary>Updates all parameters.</summary>
    /// <param name="states">Their states.</param>
    /// <param name="groupBytes">See <see cref="GroupBytes"/>.</param>
    /// <param name="update">Updates some of them.</param>
    public static void Run(IReadOnlyList<ParameterState> states, long groupBytes, Action<IReadOnlyList<ParameterState>> update)
    {
        var groups = Groups(states, groupBytes);
        Each(groups[0], moment => moment.Prefetch());
        for (int i = 0; i < groups.Count; i++)
        {
            if (i + 1 < groups.Count)
            {
                Each(groups[i + 1], moment => moment.Prefetch());
            }
            Each(groups[i], moment => moment.Wait());
            update(groups[i]);
            Each(groups[i], moment => moment.Return());
            if (i > 0)
            {
                Each(groups[i - 1], moment => moment.Free());
            }
        }
        Each(groups[^1], moment => moment.Free());
    }

    private static List<List<ParameterState>> Groups(IReadOnlyList<ParameterState> states, long limit)
    {
        var groups = new List<List<ParameterState>> { new() };
        long bytes = 0;
        foreach (var state in states)
        {
            long more = state.Moments.Sum(moment => moment.Bytes);
            if (groups[^1].Count > 0 && bytes + more > limit)
            {
                groups.Add([]);
                bytes = 0;
            }
            groups[^1].Add(state);
            bytes += more;
        }
        return groups;
    }

    private static void Each(List<ParameterState> group, Action<Moment> action)
    {
        foreach (var moment in group.SelectMany(state => state.Moments))
        {
            action(moment);
        }
    }
}
